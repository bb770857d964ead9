"""API schemas of shadow trials."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from core.schemas.api import ResponseModel
from core.schemas.models import Reason
from core.sequential.mcnemar import TrialResult
from core.strict_model import StrictModel
from core.trials.records import EndReason, TrialPlan, TrialPromotion


class EndTrialRequest(StrictModel):
    """Body of POST /models/{model}/shadow/end; optional."""

    reason: Reason | None = Field(None, description="stored with the trial")


class TrialEnded(ResponseModel):
    """End of a trial."""

    reason: EndReason
    at: datetime
    by: str = Field(description="id of the key for `request`, otherwise `duet`")
    note: str


class ShadowTrial(ResponseModel):
    """A shadow trial with its evidence, which is valid no matter how often the trial is checked."""

    id: str
    model: str
    champion: int
    challenger: int
    plan: TrialPlan
    started_at: datetime
    started_by: str
    ends_by: datetime = Field(description="time at which the trial ends without a verdict")
    running: bool
    result: TrialResult
    labels_left: int = Field(ge=0, description="labels until the budget is used up; 0 after the end")
    dropped: int = Field(ge=0, description="chosen images that the challenger did not answer for lack of idle time")
    end: TrialEnded | None = Field(description="null while the trial is running")
    promotion: TrialPromotion | None = Field(
        description="result of the promotion through the gate; null without `promote`, or before it"
    )
