from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from contextlib import suppress
from itertools import count, pairwise
from pathlib import Path

import pytest

from core.errors import NothingToRollBackError, RepositoryError
from core.files import durable
from core.repository import alias_files, champions
from core.repository.champions import history
from core.repository.repository import ModelRepository
from tests.support.processes import killed_at, run_together
from tests.support.versions import go_back, go_to, make_repository, moves


@pytest.fixture
def repository(tmp_path: Path) -> ModelRepository:
    return make_repository(tmp_path)


def trail_lines(repository: ModelRepository) -> list[bytes]:
    return (repository.home_models / "promotions.jsonl").read_bytes().splitlines()


def test_torn_trail_line_is_skipped_and_not_joined_to_the_next(repository: ModelRepository) -> None:
    go_to(repository, 1, 2)
    with (repository.home_models / "promotions.jsonl").open("ab") as trail:
        trail.write(b'{"entry":3,"at":"2026-')
    assert moves(repository) == [(None, 1), (1, 2)]
    go_to(repository, 3)
    assert moves(repository) == [(None, 1), (1, 2), (2, 3)]
    lines = trail_lines(repository)
    assert lines[2] == b'{"entry":3,"at":"2026-'
    assert json.loads(lines[3])["to_version"] == 3


def test_void_trail_entry_number_is_reused(repository: ModelRepository) -> None:
    go_to(repository, 1, 2)
    aliases_before = (repository.home_models / "aliases.json").read_bytes()
    go_to(repository, 3)
    (repository.home_models / "aliases.json").write_bytes(aliases_before)
    assert moves(repository) == [(None, 1), (1, 2)]
    go_to(repository, 4)
    assert moves(repository) == [(None, 1), (1, 2), (2, 4)]
    assert [json.loads(line)["entry"] for line in trail_lines(repository)] == [1, 2, 3, 3]
    assert go_back(repository) == 2


def test_trail_with_a_gap_is_an_error_but_promotes(repository: ModelRepository) -> None:
    go_to(repository, 1, 2, 3)
    path = repository.home_models / "promotions.jsonl"
    lines = trail_lines(repository)
    path.write_bytes(b"\n".join([lines[0], lines[2]]) + b"\n")
    for read in (lambda: history(repository), lambda: go_back(repository)):
        with pytest.raises(RepositoryError, match=r"promotions\.jsonl lacks entry 2 of 3: restore the file"):
            read()
    go_to(repository, 4)
    assert repository.champion("cnn") == 4


def test_promotion_on_a_full_disk_changes_nothing(repository: ModelRepository, monkeypatch: pytest.MonkeyPatch) -> None:
    go_to(repository, 1)
    fsync = os.fsync
    for failing in (1, 3):  # the trail's content, and the content of the new aliases.json
        calls = count(1)

        def refusing_fsync(descriptor: int, calls: count[int] = calls, failing: int = failing) -> None:
            if next(calls) == failing:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            fsync(descriptor)

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", refusing_fsync)
            with pytest.raises(RepositoryError, match="cnn@2 could not be made champion: No space left on device"):
                go_to(repository, 2)
        assert repository.champion("cnn") == 1
        assert moves(repository) == [(None, 1)]
    go_to(repository, 3)
    assert moves(repository) == [(None, 1), (1, 3)]


def _promote_3(repository: ModelRepository) -> None:
    go_to(repository, 3)


def _roll_back(repository: ModelRepository) -> None:
    go_back(repository)


@pytest.mark.slow
@pytest.mark.parametrize("stride", [7, pytest.param(1, marks=pytest.mark.full)], ids=["some lines", "every line"])
@pytest.mark.parametrize(("change", "after"), [(_promote_3, 3), (_roll_back, 1)])
def test_promotion_killed_at_any_line_stays_consistent(
    tmp_path: Path, change: Callable[[ModelRepository], None], after: int, stride: int
) -> None:
    changed, void = [], 0
    for step in count(1, stride):
        repository = make_repository(tmp_path / str(step))
        go_to(repository, 1, 2)
        if not killed_at(step, [champions, alias_files, durable], change, repository):
            break
        champion = repository.champion("cnn")
        changed.append(champion == after)
        expected = [(None, 1), (1, 2), *([(2, after)] if champion == after else [])]
        assert champion in (2, after)
        assert moves(repository) == expected
        void += len(trail_lines(repository)) > len(expected)

        go_to(repository, 4)
        assert moves(repository) == [*expected, (champion, 4)]
        assert go_back(repository) == champion
        assert not list(repository.home_models.glob("*.tmp"))
    assert changed == sorted(changed)
    assert changed.count(False) > 40 // stride
    assert changed.count(True) > 3 // stride
    assert void > 3 // stride


def _move_about(repository: ModelRepository, own: int) -> None:
    for step in range(6):
        if step % 3 == 2:
            with suppress(NothingToRollBackError):
                go_back(repository)
        else:
            go_to(repository, 1 + (own + step) % 4)


@pytest.mark.slow
def test_concurrent_promotions_leave_a_consistent_trail(repository: ModelRepository) -> None:
    run_together(_move_about, [(repository, own) for own in range(5)])
    trail = history(repository)
    assert [entry.entry for entry in trail] == list(range(1, len(trail) + 1))
    assert trail[0].from_version is None
    assert all(before.to_version == after.from_version for before, after in pairwise(trail))
    assert all(entry.from_version != entry.to_version for entry in trail)
    assert trail[-1].to_version == repository.champion("cnn")
    assert {entry.action for entry in trail} == {"promote", "rollback"}
    assert len(trail_lines(repository)) == len(trail)
