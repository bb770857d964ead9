"""Shadow trials for tests."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from core.sequential.mcnemar import SequentialMcNemar, TrialCounts
from core.trials.records import Trial, TrialEnd, TrialPlan


def plan(**changes: Any) -> TrialPlan:
    """A plan for cnn@2 with all requests and 100 labels."""
    return TrialPlan(**({"version": 2, "share": 1.0, "label_budget": 100} | changes))


def trial(**changes: Any) -> Trial:
    """A trial of cnn@2 against cnn@1; changes of the plan are passed on."""
    values: dict[str, Any] = {
        "id": "0" * 32,
        "family": "cnn",
        "champion": 1,
        "started_at": datetime(2026, 1, 2, tzinfo=UTC),
        "started_by": "ann",
    }
    own = {name: changes.pop(name) for name in list(changes) if name in values}
    return Trial(**(values | own), plan=plan(**changes))


def end(**changes: Any) -> TrialEnd:
    """An end with the verdict that the challenger is better."""
    result = SequentialMcNemar().result(TrialCounts(agreements=100, challenger_right=40, champion_right=5))
    values: dict[str, Any] = {
        "reason": "verdict",
        "at": datetime(2026, 1, 3, tzinfo=UTC),
        "by": "duet",
        "note": "cnn@2 is more accurate than cnn@1",
        "result": result,
    }
    return TrialEnd(**(values | changes))
