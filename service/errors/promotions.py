"""Errors about who is champion."""

# ruff: noqa: D102 - `example` is documented once, in the base class
from __future__ import annotations

from typing import Self

from core.gate.report import GateReport
from core.gate.thresholds import GateThresholds
from service.errors.base import ProblemError


class GateRefusedError(ProblemError):
    """The gate found that a version should not replace the champion; the answer has the whole report."""

    status, slug, title = 409, "gate-refused", "The version did not pass the gate"

    def __init__(self, report: GateReport) -> None:
        super().__init__(
            f"{report.summary}; to promote it all the same, send force with a reason",
            report=report.model_dump(mode="json"),
        )

    @classmethod
    def example(cls) -> Self:
        return cls(
            GateReport(
                family="cnn",
                candidate=4,
                champion=3,
                passed=False,
                ground="not_comparable",
                summary="cnn@4 cannot be compared with cnn@3: their classes differ (cat, dog; cat, dog, fox)",
                holdouts={},
                comparison=None,
                verdicts=(),
                classes=(),
                thresholds=GateThresholds(),
            )
        )


class NothingToRollBackToError(ProblemError):
    """The family has no earlier champion that can be served."""

    status, slug, title = 409, "nothing-to-roll-back", "There is no earlier champion"

    @classmethod
    def example(cls) -> Self:
        return cls("cnn has no earlier champion to return to")
