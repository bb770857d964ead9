"""API schemas of models and versions."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from core.repository.confidence_interval import ConfidenceInterval
from core.repository.manifest import CostRecord, HeadlineMetrics, Manifest
from core.repository.repository import Layer
from core.schemas.api import ResponseModel


class ModelSummary(ResponseModel):
    """A family in GET /models."""

    model: str
    champion: int | None = Field(description="version that is used if a request names none")
    versions: tuple[int, ...]


class ModelList(ResponseModel):
    """Response of GET /models."""

    models: tuple[ModelSummary, ...]


class VersionSummary(ResponseModel):
    """A version in GET /models/{model}; fields from the manifest are null if it cannot be read."""

    version: int
    champion: bool
    layer: Layer | None = Field(description="shipped: part of the project; home: published under DUET_HOME")
    created_at: datetime | None
    recipe: str | None
    metrics: HeadlineMetrics | None
    test_accuracy: ConfidenceInterval | None = Field(description="test accuracy of `metrics` with Wilson's interval")
    cost: CostRecord | None
    refused: str | None = Field(description="why the version cannot be served; null if no problem is known")


class ModelDetail(ResponseModel):
    """Response of GET /models/{model}."""

    model: str
    champion: int | None
    versions: tuple[VersionSummary, ...]


class VersionDetail(ResponseModel):
    """Response of GET /models/{model}/versions/{version}."""

    model: str
    version: int
    champion: bool
    layer: Layer
    manifest: Manifest


class FileCheck(ResponseModel):
    """Integrity of one file of a version."""

    name: str
    bytes: int = Field(description="from the manifest")
    sha256: str = Field(description="from the manifest")
    problem: str | None = Field(description="difference from the manifest; null if there is none")


class VersionCheck(ResponseModel):
    """Response of GET /models/{model}/versions/{version}/check."""

    model: str
    version: int
    intact: bool = Field(description="true if every file matches the manifest")
    files: tuple[FileCheck, ...]
