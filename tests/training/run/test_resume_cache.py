from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from training.run.resume_cache import ResumeCache


def counted(value: object, calls: list[object]) -> Callable[[], object]:
    def make() -> object:
        calls.append(value)
        return value

    return make


def test_cached_result_is_not_computed_again(tmp_path: Path) -> None:
    calls: list[object] = []
    for _ in range(2):
        memo = ResumeCache(tmp_path / "new" / "memo.jsonl", {"seed": 1})
        assert memo.get_or_compute("a", counted(0.1 + 0.2, calls)) == 0.1 + 0.2
        assert memo.get_or_compute("b", counted([True, None], calls)) == [True, None]
    assert calls == [0.1 + 0.2, [True, None]]


def test_cache_of_other_work_is_discarded(tmp_path: Path) -> None:
    path = tmp_path / "memo.jsonl"
    ResumeCache(path, {"seed": 1}).get_or_compute("a", lambda: 1)
    assert ResumeCache(path, {"seed": 2}).get_or_compute("a", lambda: 2) == 2
    assert ResumeCache(path, {"seed": 2}).get_or_compute("a", lambda: 3) == 2


def test_incomplete_line_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "memo.jsonl"
    memo = ResumeCache(path, {"seed": (1, 2)})
    memo.get_or_compute("a", lambda: 1)
    memo.get_or_compute("b", lambda: 2)
    path.write_text(path.read_text()[:-4])
    again = ResumeCache(path, {"seed": (1, 2)})
    assert again.get_or_compute("a", lambda: 9) == 1
    assert again.get_or_compute("b", lambda: 9) == 9
    assert ResumeCache(path, {"seed": (1, 2)}).get_or_compute("b", lambda: 0) == 9


def two_results(path: Path) -> str:
    """Content of a resume cache with two results."""
    memo = ResumeCache(path, {"seed": 1})
    memo.get_or_compute("a", lambda: [0.1, "é"])
    memo.get_or_compute("b", lambda: 2)
    return path.read_text(encoding="utf-8")


def test_line_without_newline_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "memo.jsonl"
    path.write_text(two_results(path)[:-1])
    ResumeCache(path, {"seed": 1}).get_or_compute("c", lambda: 3)
    again = ResumeCache(path, {"seed": 1})
    assert [again.get_or_compute(name, lambda: 9) for name in "abc"] == [[0.1, "é"], 2, 3]


def test_complete_cache_is_not_rewritten(tmp_path: Path) -> None:
    path = tmp_path / "memo.jsonl"
    two_results(path)
    os.utime(path, (1, 1))
    before = path.stat()
    assert ResumeCache(path, {"seed": 1}).get_or_compute("b", lambda: 9) == 2
    assert (path.stat().st_ino, path.stat().st_mtime) == (before.st_ino, 1)


def test_disk_full_while_dropping_a_line_keeps_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "memo.jsonl"
    broken = two_results(path)[:-2]
    path.write_text(broken)

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as nearly_full:
        nearly_full.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            ResumeCache(path, {"seed": 1})
    assert path.read_text() == broken
    assert ResumeCache(path, {"seed": 1}).get_or_compute("a", lambda: 9) == [0.1, "é"]
