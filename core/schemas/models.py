"""API schemas of models, versions, promotions and evaluations."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from core.gate.report import GateReport
from core.repository.alias_files import Promotion
from core.repository.evaluation import Evaluation
from core.repository.manifest import CostRecord, HeadlineMetrics, Manifest
from core.repository.repository import Layer
from core.schemas.api import ModelReadiness, ProviderStatus, ResponseModel
from core.statistics.intervals import ConfidenceInterval
from core.strict_model import StrictModel
from core.text_pattern import TextPattern


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
    test_images: int | None = Field(None, description="number of test images that `test_accuracy` refers to")
    cost: CostRecord | None
    refused: str | None = Field(description="why the version cannot be served; null if no problem is known")
    providers: tuple[ProviderStatus, ...] = Field(
        (), description="measured execution providers of this version; empty unless it is loaded"
    )


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


DEFAULT_REASON = "requested through the API"
_MAX_REASON = 1000
Reason = Annotated[
    str,
    Field(min_length=1, max_length=_MAX_REASON),
    TextPattern(r"\S", f"a reason has 1 to {_MAX_REASON:,} characters and is not only spaces"),
]


class PromoteRequest(StrictModel):
    """Body of POST /models/{model}/versions/{version}/promote; optional."""

    reason: Reason | None = Field(None, description="reason for the audit trail")
    force: bool = Field(False, description="promote even if the gate refuses; needs a reason")

    @field_validator("force")
    @classmethod
    def _has_a_reason(cls, force: bool, given: ValidationInfo) -> bool:
        if force and given.data.get("reason") is None:
            raise ValueError("force needs a reason for the audit trail: give one")
        return force


class RollbackRequest(StrictModel):
    """Body of POST /models/{model}/rollback; optional."""

    reason: Reason | None = Field(None, description="reason for the audit trail")


class ArchiveRequest(StrictModel):
    """Body of POST /models/{model}/archive; optional."""

    reason: Reason | None = Field(None, description="reason for the audit trail")


class Deletion(ResponseModel):
    """Response of DELETE /models/{model} and DELETE /models/{model}/versions/{version}."""

    deleted: tuple[str, ...] = Field(description="deleted versions, such as cnn@3")
    entries: tuple[Promotion, ...] = Field(description="entry of the audit trail for each of them")


class Move(ResponseModel):
    """Response of POST .../rollback and .../archive."""

    promotion: Promotion = Field(description="entry of the audit trail; entry 0 if nothing changed")
    served: bool = Field(description="true if this process already serves the new champion; false without one")
    serving: ModelReadiness = Field(description="version that this process serves")


class GatedMove(Move):
    """Response of POST .../promote."""

    gate: GateReport = Field(description="report of the gate; it may have refused if the promotion was forced")


class PromotionPage(ResponseModel):
    """Response of GET /models/{model}/promotions: a page of the audit trail, newest first."""

    promotions: tuple[Promotion, ...]
    next_cursor: int | None = Field(description="`cursor` of the next page; null on the last page")
    shipped: tuple[Promotion, ...] = Field(
        (),
        description="entries of the trail that ships with the project, newest first, on the last page only; they are "
        "older than those of this service, and their numbers are separate",
    )


class VersionEvaluation(ResponseModel):
    """Evaluation of a version, from its publication or a later job."""

    job: str | None = Field(description="job that measured it; null for the published evaluation")
    created_at: datetime
    evaluation: Evaluation
    differences: tuple[str, ...] | None = Field(
        description="figures that differ from the published evaluation; null if that used other images, and for the "
        "published evaluation itself"
    )


class EvaluationPage(ResponseModel):
    """Response of GET /models/{model}/versions/{version}/evaluations: first the published one, then the newest."""

    model: str
    version: int
    evaluations: tuple[VersionEvaluation, ...]
    next_cursor: str | None = Field(description="`cursor` of the next page; null on the last page")
