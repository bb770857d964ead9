"""`duet models shadow`: start, status and end of trials."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.repository.champions import history, promote
from core.repository.repository import ModelRepository
from core.trials.store import TrialStore
from tests.support.duet_command import Duet
from tests.support.shadow import end
from tests.support.versions import write_version

START = ("models", "shadow", "start", "cnn@2", "--share", "0.2", "--label-budget", "300")


@pytest.fixture
def store(home: Path) -> TrialStore:
    """cnn@1 is champion, cnn@2 is not."""
    for version in (1, 2):
        write_version(home / "models" / "cnn" / str(version), "cnn", version)
    promote(ModelRepository.open(), "cnn", 1, actor="ada", reason="first")
    return TrialStore(home)


Capture = pytest.CaptureFixture[str]


def test_trial_is_started_shown_and_ended(duet: Duet, store: TrialStore, capsys: Capture) -> None:
    assert duet(*START, "--promote", "--actor", "ada") == 0
    assert "cnn@2 against cnn@1: running, 300 labels left" in capsys.readouterr().out
    [trial] = store.running()
    assert (trial.plan.share, trial.plan.promote, trial.started_by) == (0.2, True, "ada")

    assert duet("models", "shadow", "status", "cnn", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["id"], shown["result"]["verdict"], shown["running"]) == (trial.id, "undecided", True)

    assert duet("models", "shadow", "end", "cnn", "--reason", "too slow", "--actor", "ada") == 0
    assert "ended: request (too slow)" in capsys.readouterr().out
    assert store.running() == []


def test_verdict_of_an_ended_trial_is_shown(duet: Duet, store: TrialStore, capsys: Capture) -> None:
    duet(*START)
    [trial] = store.running()
    store.end(trial, end())
    assert duet("models", "shadow", "status", "cnn") == 0
    shown = capsys.readouterr().out
    assert "ended: verdict (cnn@2 is more accurate than cnn@1)" in shown
    assert "verdict: challenger_better" in shown
    assert "100 with the same answer, 45 with different answers, of which 45 have a label" in shown


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (("models", "shadow", "start", "cnn", "--share", "0.2", "--label-budget", "300"), "is the champion"),
        ((*START[:-1], "3"), "label_budget"),
        (("models", "shadow", "status", "cnn"), "has no shadow trial"),
        (("models", "shadow", "end", "cnn"), "has no shadow trial"),
        (("models", "shadow", "status", "vit"), "vit"),
    ],
)
def test_bad_command_says_why(
    duet: Duet, store: TrialStore, capsys: Capture, command: tuple[str, ...], reason: str
) -> None:
    assert duet(*command) != 0
    assert reason in capsys.readouterr().err
    assert store.all() == []


def test_promotion_by_command_records_the_trial(duet: Duet, store: TrialStore, capsys: Capture) -> None:
    duet(*START)
    [trial] = store.running()
    assert duet("models", "delete", "cnn@2", "--reason", "x", "--yes") != 0
    assert trial.id in capsys.readouterr().err
    store.end(trial, end())
    assert duet("models", "promote", "cnn@2", "--reason", "better on live requests", "--force") == 0
    entry = history(ModelRepository.open())[-1]
    assert entry.evidence is not None
    assert entry.evidence["trial"]["id"] == trial.id
