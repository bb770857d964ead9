"""Proposals of a search: planned and sampled settings, and early ends, on small made-up images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial, Trial

from tests.training.tuning.test_search import NAME, results, tuned
from training.tuning.ablation.progress import StudyProgress
from training.tuning.journal import finished, read_journal
from training.tuning.search import first_prunable, space_of
from training.tuning.space import Space


class Said(StudyProgress):
    """Keeps its lines, and stops the second trial of a search."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def line(self, text: str) -> None:
        self.lines.append(text)

    def runs(self, what: str, *, done: int, total: int, figures: str = "") -> None:
        if 0 < done < total:
            raise KeyboardInterrupt


@pytest.mark.full
def test_proposals_are_pruned_alike_after_interruptions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    epochs, trials, unscored = 5, 22, 4
    tuned(tmp_path / "whole", trials=trials, epochs=epochs)
    whole = results(tmp_path / "whole")
    ended = [max(accuracies) for state, _, accuracies in whole if state == "PRUNED"]
    assert min(ended) == first_prunable(epochs) < epochs
    planned = len(space_of(read_journal(tmp_path / "whole", NAME)).planned())
    assert {state for state, _, _ in whole[: planned + unscored]} == {"COMPLETE"}
    assert len(ended) < trials - planned - unscored

    tell = optuna.Study.tell

    def stopped(study: optuna.Study, trial: Trial, value: float | None = None, **options: Any) -> FrozenTrial:
        """Stop before what is known of a scored proposal is written: that it is ended early, or what it has."""
        if trial.number >= planned + unscored and trial.number not in told:
            told.add(trial.number)
            raise KeyboardInterrupt
        return tell(study, trial, value, **options)

    told: set[int] = set()
    monkeypatch.setattr(optuna.Study, "tell", stopped)
    for _ in range(trials - planned - unscored):
        with pytest.raises(KeyboardInterrupt):
            tuned(tmp_path / "stopped", trials=trials, epochs=epochs)
    tuned(tmp_path / "stopped", trials=trials, epochs=epochs)
    assert results(tmp_path / "stopped") == whole


def test_missing_planned_trials_come_before_proposals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planned = Space.planned
    with monkeypatch.context() as older:
        older.setattr(Space, "planned", lambda space: planned(space)[:2])
        tuned(tmp_path, trials=3, epochs=1)
    tuned(tmp_path, trials=5, epochs=1)
    journal = read_journal(tmp_path, NAME)
    changed = [space_of(journal).changes(trial.params) for trial in finished(journal.study)]
    assert [*changed[:2], *changed[3:]] == [
        {},
        {"activation": "gelu"},
        {"activation": "silu"},
        {"activation": "tanh"},
    ]
    assert len(changed[2]) > 1


def test_search_announces_planned_trials_and_proposals(tmp_path: Path) -> None:
    said = Said()
    tuned(tmp_path, trials=1, epochs=1, progress=said)
    first = said.lines[0]
    assert first.startswith("9 planned trials: the unchanged recipe, then single changes;")
    assert first.endswith("; no proposals: give --trials 10 or more")
    said = Said()
    with pytest.raises(KeyboardInterrupt):
        tuned(tmp_path, trials=12, epochs=1, progress=said)
    assert said.lines[0].endswith("; proposals: 3")
