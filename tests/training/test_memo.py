from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from training.memo import Memo


def counted(value: object, calls: list[object]) -> Callable[[], object]:
    def make() -> object:
        calls.append(value)
        return value

    return make


def test_what_was_made_is_not_made_again(tmp_path: Path) -> None:
    calls: list[object] = []
    for _ in range(2):
        memo = Memo(tmp_path / "new" / "memo.jsonl", {"seed": 1})
        assert memo.recall("a", counted(0.1 + 0.2, calls)) == 0.1 + 0.2
        assert memo.recall("b", counted([True, None], calls)) == [True, None]
    assert calls == [0.1 + 0.2, [True, None]]


def test_results_of_other_work_are_thrown_away(tmp_path: Path) -> None:
    path = tmp_path / "memo.jsonl"
    Memo(path, {"seed": 1}).recall("a", lambda: 1)
    assert Memo(path, {"seed": 2}).recall("a", lambda: 2) == 2
    assert Memo(path, {"seed": 2}).recall("a", lambda: 3) == 2


def test_half_a_line_is_left_out_and_the_rest_kept(tmp_path: Path) -> None:
    path = tmp_path / "memo.jsonl"
    memo = Memo(path, {"seed": (1, 2)})
    memo.recall("a", lambda: 1)
    memo.recall("b", lambda: 2)
    path.write_text(path.read_text()[:-4])
    again = Memo(path, {"seed": (1, 2)})
    assert again.recall("a", lambda: 9) == 1
    assert again.recall("b", lambda: 9) == 9
    assert Memo(path, {"seed": (1, 2)}).recall("b", lambda: 0) == 9
