"""Records of a shadow trial: its request, its end, and the promotion that follows."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias

from pydantic import AwareDatetime, Field, PositiveInt

from core.repository.manifest import FamilyName
from core.sequential.mcnemar import SequentialMcNemar, TrialResult
from core.strict_model import StrictModel

ERROR_RATE = 0.05
"""Maximum probability of a wrong verdict, no matter how often the trial is checked."""
MIN_LABELS = 10
MAX_LABELS = 10_000
MAX_DAYS = 90.0

EndReason: TypeAlias = Literal["verdict", "label_budget", "time", "request", "champion_changed", "challenger_deleted"]


class TrialPlan(StrictModel):
    """Settings of a trial."""

    version: PositiveInt = Field(description="challenger: a version of the model that is not the champion")
    share: float = Field(gt=0, le=1, description="share of the requests that the challenger answers too")
    label_budget: int = Field(
        ge=MIN_LABELS, le=MAX_LABELS, description="number of labelled disagreements after which the trial ends"
    )
    margin: float = Field(
        0.01, ge=0.001, le=0.5, description="difference in accuracy that does not matter, for `no_difference`"
    )
    max_days: float = Field(14.0, gt=0, le=MAX_DAYS, description="time after which the trial ends")
    promote: bool = Field(
        False, description="with the verdict `challenger_better`, promote the challenger if it passes the gate"
    )
    use_feedback: bool = Field(
        False,
        description="count labels of POST /feedback too; valid only if clients send labels whatever the answers were",
    )


class Trial(StrictModel):
    """A trial as it was started; it never changes."""

    format: Literal[1] = 1
    id: str
    family: FamilyName
    champion: PositiveInt
    plan: TrialPlan
    started_at: AwareDatetime
    started_by: str

    @property
    def challenger(self) -> int:
        """Version of the challenger."""
        return self.plan.version

    @property
    def ends_by(self) -> datetime:
        """Time at which the trial ends without a verdict."""
        return self.started_at + timedelta(days=self.plan.max_days)

    @property
    def test(self) -> SequentialMcNemar:
        """The test that gives the verdict."""
        return SequentialMcNemar(error_rate=ERROR_RATE, margin=self.plan.margin)


class TrialEnd(StrictModel):
    """End of a trial; it never changes.

    Attributes:
        reason: cause of the end.
        at: time.
        by: id of the caller for `request`, otherwise `duet`.
        note: reason that the caller gave, or a sentence about the cause.
        result: verdict and evidence at the end.
    """

    reason: EndReason
    at: AwareDatetime
    by: str
    note: str
    result: TrialResult


class TrialPromotion(StrictModel):
    """Result of the promotion after the verdict, if `promote` was set."""

    at: AwareDatetime
    promoted: bool
    entry: int | None = Field(None, description="entry of the audit trail")
    detail: str = Field(description="summary of the gate, or the reason why the challenger was not promoted")


def evidence_of(trial: Trial, end: TrialEnd) -> dict[str, Any]:
    """Summary of an ended trial for the audit trail, as JSON."""
    return {
        "id": trial.id,
        "champion": trial.champion,
        "challenger": trial.challenger,
        "plan": trial.plan.model_dump(mode="json"),
        "started_at": trial.started_at.isoformat(),
        "started_by": trial.started_by,
        "ended_at": end.at.isoformat(),
        "end_reason": end.reason,
        "result": end.result.model_dump(mode="json"),
    }
