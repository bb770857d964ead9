"""What the two cost, and in what they are said to differ."""

from __future__ import annotations

import dataclasses

import pytest

from training.analysis.report.findings import Findings, VersionResults
from training.analysis.report.words import costs, verdict


def taught(
    side: VersionResults,
    seconds: float,
    answers: float | None,
    teacher: str | None = "cnn@3",
    start: str | None = None,
    cpu: str = "one of many",
) -> VersionResults:
    """The side as if it had trained so long on that processor, and its teacher had taken so long to answer."""
    config = dict(side.manifest.config) | {"distillation": {"teacher": teacher}, "init_from": start}
    cost = side.manifest.cost.model_copy(update={"training_seconds": seconds, "teacher_seconds": answers})
    environment = side.manifest.environment.model_copy(update={"cpu": cpu})
    manifest = side.manifest.model_copy(update={"config": config, "cost": cost, "environment": environment})
    return dataclasses.replace(side, manifest=manifest)


def test_the_time_of_a_training_says_what_a_teacher_took_and_what_it_does_not_hold(shipped: Findings) -> None:
    on_top = "the training of cnn@3 comes on top"
    assert costs.minutes(taught(shipped.first, 600, None)) == (
        f"10.0 minutes (without the teacher's answers; {on_top})"
    )
    assert costs.minutes(taught(shipped.first, 600, 300)) == (
        f"15.0 minutes (with 5.0 minutes of the teacher's answers; {on_top})"
    )
    assert costs.minutes(taught(shipped.first, 600, None, None)) == "10.0 minutes"


def test_what_a_training_started_from_is_said_and_its_time_is_not_taken_for_the_whole(shipped: Findings) -> None:
    side = taught(shipped.first, 600, 300, start="mlp@1")
    assert costs.minutes(side) == (
        "15.0 minutes (with 5.0 minutes of the teacher's answers; the training of mlp@1 and cnn@3 comes on top)"
    )
    assert costs.minutes(taught(shipped.first, 600, None, None, "mlp@1")) == (
        "10.0 minutes (the training of mlp@1 comes on top)"
    )
    assert "` from the weights of mlp@1: " in costs.training(side)
    assert not costs.whole_time(side)
    assert costs.whole_time(taught(shipped.first, 600, 300))


@pytest.mark.parametrize(
    ("seconds", "answers", "said"),
    [(600, 300, "trained in less time"), (600, 900, "took longer to train"), (600, None, None), (1800, None, "took")],
)
def test_what_took_longer_to_train_counts_the_answers_of_a_teacher(
    shipped: Findings, seconds: float, answers: float | None, said: str | None
) -> None:
    told = of_training(shipped, taught(shipped.first, seconds, answers), taught(shipped.second, 1200, None, None))
    assert len(told) == (said is not None)
    assert all(line.startswith(said or "") for line in told)


def test_times_of_different_machines_are_not_compared(shipped: Findings) -> None:
    first, second = (
        taught(side, seconds, None, None) for side, seconds in ((shipped.first, 600), (shipped.second, 1200))
    )
    assert len(of_training(shipped, first, second)) == 1
    assert of_training(shipped, first, taught(second, 1200, None, None, cpu="another")) == []


def of_training(findings: Findings, first: VersionResults, second: VersionResults) -> list[str]:
    """What is said of the time that the first took to train, were the findings about these two."""
    changed = dataclasses.replace(findings, first=first, second=second)
    return [
        line
        for line in (*verdict.strengths(changed, first), *verdict.weaknesses(changed, first))
        if "trained in" in line or "to train" in line
    ]


def test_sizes_of_prediction_sets_are_compared_for_the_same_promise_alone(shipped: Findings) -> None:
    def told(promise: float) -> list[str]:
        sets = shipped.first.scores.prediction_sets.model_copy(update={"target": promise, "mean_size": 6.0})
        scores = shipped.first.scores.model_copy(update={"prediction_sets": sets})
        changed = dataclasses.replace(shipped, first=dataclasses.replace(shipped.first, scores=scores))
        return [line for line in verdict.weaknesses(changed, changed.first) if "prediction sets" in line]

    (line,) = told(shipped.second.scores.prediction_sets.target)
    assert line.startswith("prediction sets are larger for the same promise (6.00 classes on average against ")
    assert told(0.5) == []
