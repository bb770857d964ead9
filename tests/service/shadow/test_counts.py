"""Counts of a trial: several processes, and files that cannot be read."""

from __future__ import annotations

from pathlib import Path

from service.shadow.counts import Compared, TrialCounter, read_counts


def test_counts_of_all_processes_are_added(tmp_path: Path) -> None:
    assert read_counts(tmp_path) == Compared()
    first, second = TrialCounter(tmp_path), TrialCounter(tmp_path)
    first.add({"cat": 2, "dog": 1}, 4)
    first.drop(5)
    first.save(first.snapshot())
    first.add({"cat": 1}, 0)
    first.save(first.snapshot())
    second.add({}, 1)
    second.save(second.snapshot())
    assert read_counts(tmp_path) == Compared(agreements=4, disagreements=5, dropped=5)


def test_nothing_is_written_without_a_change(tmp_path: Path) -> None:
    counter = TrialCounter(tmp_path)
    counter.save(counter.snapshot())
    assert list(tmp_path.iterdir()) == []
    counter.drop(1)
    counter.save(counter.snapshot())
    [path] = tmp_path.iterdir()
    written = path.stat().st_ino
    counter.save(counter.snapshot())
    assert path.stat().st_ino == written


def test_file_of_another_release_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "counts-host-1-a.json").write_text('{"seen": 3}', encoding="utf-8")
    assert read_counts(tmp_path) == Compared()
