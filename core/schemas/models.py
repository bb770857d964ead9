"""What the API answers about models and their versions, as data; see `core.schemas.api`."""

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
    champion: int | None = Field(description="the version that answers when none is asked for")
    versions: tuple[int, ...]


class ModelList(ResponseModel):
    """Answer of GET /models."""

    models: tuple[ModelSummary, ...]


class VersionSummary(ResponseModel):
    """A version in GET /models/{model}; what its manifest would say is null where that cannot be read."""

    version: int
    champion: bool
    layer: Layer | None = Field(description="shipped with the project, or published under DUET_HOME")
    created_at: datetime | None
    recipe: str | None
    metrics: HeadlineMetrics | None
    test_accuracy: ConfidenceInterval | None = Field(description="that of `metrics`, with Wilson's interval")
    cost: CostRecord | None
    refused: str | None = Field(description="why this version is not served; null where nothing is known against it")


class ModelDetail(ResponseModel):
    """Answer of GET /models/{model}."""

    model: str
    champion: int | None
    versions: tuple[VersionSummary, ...]


class VersionDetail(ResponseModel):
    """Answer of GET /models/{model}/versions/{version}."""

    model: str
    version: int
    champion: bool
    layer: Layer
    manifest: Manifest


class FileCheck(ResponseModel):
    """One file of a version, hashed."""

    name: str
    bytes: int = Field(description="as its manifest says")
    sha256: str = Field(description="as its manifest says")
    problem: str | None = Field(description="how the file differs from that; null where it does not")


class VersionCheck(ResponseModel):
    """Answer of GET /models/{model}/versions/{version}/check."""

    model: str
    version: int
    intact: bool = Field(description="true where every file is as it was published")
    files: tuple[FileCheck, ...]
