"""Scores of disagreements: sources of labels, corrections, undo, order, budget and deletions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from service.labels.events import LabelEvent
from service.labels.files import LabelWriter, erase_labels
from service.shadow.scores import TrialScores
from service.traffic.deletion import Deletion, Deletions
from service.traffic.record import CapturedRequest
from tests.support.labels import event
from tests.support.shadow import trial
from tests.support.traffic import AT, answer, captured

TRIAL = trial()


def disagreement(request_id: str, **changes: Any) -> CapturedRequest:
    """The champion cnn@1 says cat, the challenger cnn@2 dog."""
    answers = (answer("cnn", 1, "cat"), answer("mlp", 2, "cat"), answer("cnn", 2, "dog", in_response=False))
    return captured(request_id, **({"answers": answers, "origin": "trial", "trial": TRIAL.id} | changes))


def labelled(request_id: str, label: str | None, time: float, **changes: Any) -> LabelEvent:
    values = {"label": label, "time": time, "source": "trial", "probability": None}
    return event(disagreement(request_id), **(values | changes))


def scores(home: Path, *events: LabelEvent, **plan: Any) -> list[int]:
    writer = LabelWriter(home)
    writer.append(events)
    writer.close()
    found = TrialScores(home)
    found.refresh()
    return found.of(trial(**plan))


def test_scores_are_in_the_order_of_the_labels(tmp_path: Path) -> None:
    events = [labelled("a", "dog", 3), labelled("b", "cat", 1), labelled("c", "frog", 2), labelled("d", None, 4)]
    assert scores(tmp_path, *events) == [-1, 0, 1, 0]


def test_correction_keeps_its_place_and_undo_removes_the_label(tmp_path: Path) -> None:
    events = [labelled("a", "dog", 1), labelled("b", "dog", 2), labelled("a", "cat", 3)]
    assert scores(tmp_path, *events) == [-1, 1]
    assert scores(tmp_path, labelled("b", None, 4, kind="undo")) == [-1]


def test_feedback_counts_only_if_the_plan_says_so(tmp_path: Path) -> None:
    assert scores(tmp_path, labelled("a", "dog", 1, source="feedback")) == []
    assert scores(tmp_path, labelled("b", "cat", 2), use_feedback=True) == [1, -1]


def test_label_of_a_client_corrects_that_of_a_person(tmp_path: Path) -> None:
    assert scores(tmp_path, labelled("a", "dog", 1), labelled("a", "cat", 2, source="feedback")) == [-1]


def test_labels_of_other_trials_and_of_the_random_queue_do_not_count(tmp_path: Path) -> None:
    other = event(disagreement("a", trial="f" * 32), source="trial", probability=None)
    random = event(disagreement("b", origin="capture", trial=None))
    assert scores(tmp_path, other, random) == []


def test_labels_beyond_the_budget_do_not_count(tmp_path: Path) -> None:
    events = [labelled(f"{number:02}", "dog", number) for number in range(12)]
    assert scores(tmp_path, *events, label_budget=10) == [1] * 10


def test_deleted_request_does_not_count(tmp_path: Path) -> None:
    assert scores(tmp_path, labelled("a", "dog", 1), labelled("b", "dog", 2)) == [1, 1]
    found = TrialScores(tmp_path)
    found.refresh()
    deletions = Deletions(tmp_path, settle_seconds=-1e9)
    deletions.add(Deletion(request_id="a", made=AT.timestamp()))
    found.refresh()
    assert found.of(TRIAL) == [1]
    deletions.erase(lambda hidden: erase_labels(tmp_path, hidden))
    found.refresh()
    assert found.of(TRIAL) == [1]


def test_record_without_both_answers_does_not_count(tmp_path: Path) -> None:
    one = event(disagreement("a", answers=(answer("cnn", 1, "cat"),)), source="trial", probability=None)
    assert scores(tmp_path, one) == []
