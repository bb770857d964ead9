"""Confidence interval: a measured value with its 95 % interval."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class ConfidenceInterval(BaseModel):
    """`low` and `high` bound the 95 % interval around `value`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: float
    low: float
    high: float
