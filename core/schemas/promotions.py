"""What the API takes and answers about promotions and evaluations, as data; see `core.schemas.api`."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from core.gate.report import GateReport
from core.repository.alias_files import Promotion
from core.repository.evaluation import Evaluation
from core.schemas.api import ModelReadiness, ResponseModel

ASKED = "asked for through the API"
MAX_REASON = 1000


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PromoteRequest(_Body):
    """Body of POST /models/{model}/versions/{version}/promote; it may be left out."""

    reason: str | None = Field(
        None, min_length=1, max_length=MAX_REASON, pattern=r"\S", description="why, for the audit trail"
    )
    force: bool = Field(False, description="promote although the gate refuses; needs a reason")

    @field_validator("force")
    @classmethod
    def _has_a_reason(cls, force: bool, given: ValidationInfo) -> bool:
        if force and given.data.get("reason") is None:
            raise ValueError("give a reason as well, which the audit trail keeps")
        return force


class RollbackRequest(_Body):
    """Body of POST /models/{model}/rollback; it may be left out."""

    reason: str | None = Field(
        None, min_length=1, max_length=MAX_REASON, pattern=r"\S", description="why, for the audit trail"
    )


class Move(ResponseModel):
    """A champion has moved; answer of POST .../rollback."""

    promotion: Promotion = Field(description="as the audit trail has it; entry 0 where nothing had to change")
    served: bool = Field(description="whether the process that answers serves the champion already")
    serving: ModelReadiness = Field(description="what it serves, and why that is not the champion where it is not")


class GatedMove(Move):
    """Answer of POST .../promote."""

    gate: GateReport = Field(description="what the gate found; it may have refused, if the promotion was forced")


class PromotionPage(ResponseModel):
    """Answer of GET /models/{model}/promotions: a part of the audit trail, newest first."""

    promotions: tuple[Promotion, ...]
    next_cursor: int | None = Field(description="`cursor` of the next page; null on the last one")


class VersionEvaluation(ResponseModel):
    """What was measured of a version, when it was published or by a later job."""

    job: str | None = Field(description="the job that measured it; null for the evaluation it was published with")
    created_at: datetime
    evaluation: Evaluation
    differences: tuple[str, ...] | None = Field(
        description="figures in which a job's evaluation differs from the published one; null where that was of other "
        "images, and for the published one itself"
    )


class EvaluationPage(ResponseModel):
    """Answer of GET /models/{model}/versions/{version}/evaluations: the published one, then jobs', newest first."""

    model: str
    version: int
    evaluations: tuple[VersionEvaluation, ...]
    next_cursor: str | None = Field(description="`cursor` of the next page; null on the last one")
