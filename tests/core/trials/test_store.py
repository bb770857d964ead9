"""Store of shadow trials: one running trial per family, one end, and what other processes see."""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path

import pytest

from core.trials.errors import TrialRunningError
from core.trials.records import Trial
from core.trials.store import TrialStore
from tests.support.shadow import end, plan


@pytest.fixture
def store(tmp_path: Path) -> TrialStore:
    return TrialStore(tmp_path)


def test_nothing_is_written_before_the_first_trial(store: TrialStore, tmp_path: Path) -> None:
    assert store.running() == store.all() == []
    assert store.latest_of("cnn") is None
    assert list(tmp_path.iterdir()) == []


def test_trial_is_seen_by_other_processes_and_runs_until_its_end(store: TrialStore, tmp_path: Path) -> None:
    other = TrialStore(tmp_path)
    trial = store.start("cnn", 1, plan(), by="ann")
    assert other.running() == [trial]
    assert (trial.champion, trial.challenger, trial.started_by) == (1, 2, "ann")

    assert other.end_of(trial) is None
    assert other.end(trial, end())
    assert store.running() == []
    assert store.end_of(trial) == end()
    assert store.latest_of("cnn") == trial


def test_family_has_one_running_trial(store: TrialStore, tmp_path: Path) -> None:
    first = store.start("cnn", 1, plan(), by="ann")
    with pytest.raises(TrialRunningError, match=first.id):
        TrialStore(tmp_path).start("cnn", 1, plan(version=3), by="bob")
    other = store.start("mlp", 1, plan(), by="bob")
    assert store.running() == [first, other]
    store.end(first, end())
    assert store.start("cnn", 1, plan(), by="ann") in store.running()


def test_concurrent_starts_give_one_trial(tmp_path: Path) -> None:
    started: list[Trial] = []

    def start() -> None:
        with suppress(TrialRunningError):
            started.append(TrialStore(tmp_path).start("cnn", 1, plan(), by="ann"))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert TrialStore(tmp_path).running() == started
    assert len(started) == 1


def test_second_end_changes_nothing(store: TrialStore, tmp_path: Path) -> None:
    trial = store.start("cnn", 1, plan(), by="ann")
    assert store.end(trial, end())
    assert not TrialStore(tmp_path).end(trial, end(reason="request", by="bob"))
    assert store.end_of(trial) == end()


def test_start_removes_what_a_killed_start_left(store: TrialStore) -> None:
    store.folder.mkdir()
    (store.folder / ".new-killed").mkdir()
    (store.folder / ".new-killed" / "request.json").write_text("{", encoding="utf-8")
    trial = store.start("cnn", 1, plan(), by="ann")
    assert [path.name for path in store.folder.iterdir() if path.name != ".lock"] == [trial.id]


def test_trial_of_another_release_is_left_out(store: TrialStore) -> None:
    trial = store.start("cnn", 1, plan(), by="ann")
    request = store.folder_of(trial) / "request.json"
    request.write_text(request.read_text(encoding="utf-8").replace('"format":1', '"format":2'), encoding="utf-8")
    assert TrialStore(store.folder.parent).all() == []


def test_ended_trial_of_two_versions_is_found(store: TrialStore) -> None:
    first = store.start("cnn", 1, plan(), by="ann")
    assert store.ended("cnn", 1, 2) is None
    store.end(first, end(reason="request"))
    second = store.start("cnn", 1, plan(), by="ann")
    store.end(second, end())
    assert store.ended("cnn", 1, 2) == (second, end())
    assert store.ended("cnn", 1, 3) is store.ended("cnn", None, 2) is store.ended("mlp", 1, 2) is None
