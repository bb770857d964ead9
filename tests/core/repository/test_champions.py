from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import (
    CorruptVersionError,
    NothingToRollBackError,
    RepositoryError,
    UnknownFamilyError,
    UnknownVersionError,
)
from core.repository.alias_files import AliasFile, Promotion
from core.repository.champions import history, promote, rollback, shipped_history
from core.repository.repository import ModelRepository
from tests.support.versions import go_back, go_to, make_repository, moves, write_aliases


@pytest.fixture
def repository(tmp_path: Path) -> ModelRepository:
    return make_repository(tmp_path)


def damage(repository: ModelRepository, version: int) -> None:
    (repository.folder("cnn", version) / "model.onnx").write_bytes(b"not a grapH")


def test_promote_moves_the_champion_and_records_it(repository: ModelRepository) -> None:
    at = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)
    promotion = promote(
        repository, "cnn", 2, actor="ada", reason="better", evidence={"mcnemar_p": 0.01, "holdout": [1, 2]}, at=at
    )
    assert repository.champion("cnn") == 2
    assert promotion == Promotion(
        entry=1,
        at=at,
        family="cnn",
        action="promote",
        from_version=None,
        to_version=2,
        actor="ada",
        reason="better",
        evidence={"mcnemar_p": 0.01, "holdout": [1, 2]},
    )
    assert history(repository) == [promotion]


def test_promote_keeps_champions_of_other_families(repository: ModelRepository) -> None:
    write_aliases(repository.shipped, cnn=1)
    go_to(repository, 1, family="mlp")
    assert repository.champions() == {"cnn": 1, "mlp": 1}
    go_to(repository, 2)
    assert repository.champions() == {"cnn": 2, "mlp": 1}
    assert moves(repository) == [(None, 1), (1, 2)]
    assert moves(repository, "cnn") == [(1, 2)]
    assert [entry.entry for entry in history(repository)] == [1, 2]


def test_promote_never_writes_the_shipped_layer(repository: ModelRepository) -> None:
    write_aliases(repository.shipped, cnn=1)
    before = {path: path.stat().st_mtime_ns for path in repository.shipped.rglob("*")}
    go_to(repository, 2)
    go_back(repository)
    assert {path: path.stat().st_mtime_ns for path in repository.shipped.rglob("*")} == before


def test_promote_champion_again_is_a_no_op(repository: ModelRepository) -> None:
    go_to(repository, 2)
    before = {path: path.read_bytes() for path in repository.home_models.glob("*.json*")}
    promotion = promote(repository, "cnn", 2, actor="bob", reason="again")
    assert (promotion.entry, promotion.from_version, promotion.to_version) == (0, 2, 2)
    assert {path: path.read_bytes() for path in repository.home_models.glob("*.json*")} == before
    assert len(before) == 2


def test_promote_damaged_or_unknown_version_is_refused(repository: ModelRepository) -> None:
    go_to(repository, 2)
    damage(repository, 3)
    with pytest.raises(CorruptVersionError, match=r"cnn@3: model\.onnx: sha256"):
        go_to(repository, 3)
    with pytest.raises(UnknownVersionError, match="available versions are 1, 2, 3, 4"):
        go_to(repository, 9)
    with pytest.raises(UnknownFamilyError, match="available models are cnn, mlp"):
        go_to(repository, 1, family="dog")
    assert moves(repository) == [(None, 2)]
    assert repository.champion("cnn") == 2


@pytest.mark.parametrize(("actor", "reason"), [("", "r"), ("a", ""), ("a", " \n")])
def test_actor_and_reason_are_required(repository: ModelRepository, actor: str, reason: str) -> None:
    with pytest.raises(RepositoryError, match=r"the (actor|reason) .* is empty"):
        promote(repository, "cnn", 2, actor=actor, reason=reason)
    go_to(repository, 2, 3)
    with pytest.raises(RepositoryError, match=r"the (actor|reason) .* is empty"):
        rollback(repository, "cnn", actor=actor, reason=reason)
    assert repository.champion("cnn") == 3


def test_repeated_rollback_goes_further_back(repository: ModelRepository) -> None:
    go_to(repository, 1, 2, 3)
    assert [go_back(repository), go_back(repository)] == [2, 1]
    with pytest.raises(NothingToRollBackError, match="cnn has no earlier champion"):
        go_back(repository)
    assert repository.champion("cnn") == 1
    last = history(repository)[-1]
    assert (last.entry, last.action, last.actor, last.reason, last.evidence) == (5, "rollback", "bob", "worse", None)


def test_rollback_reaches_the_shipped_champion(repository: ModelRepository) -> None:
    write_aliases(repository.shipped, cnn=1)
    go_to(repository, 2)
    assert go_back(repository) == 1
    assert repository.champions() == {"cnn": 1}
    with pytest.raises(NothingToRollBackError):
        go_back(repository)


def test_rollback_continues_with_the_shipped_trail(repository: ModelRepository) -> None:
    """cnn@1 and then cnn@2 were champions before the project shipped."""
    (repository.home_models / "cnn" / "2").rename(repository.shipped / "cnn" / "2")
    shipped = ModelRepository(repository.shipped, repository.shipped)
    go_to(shipped, 1, 2)
    assert shipped_history(shipped) == []
    assert [entry.to_version for entry in shipped_history(repository, "cnn")] == [1, 2]
    assert shipped_history(repository, "mlp") == []
    go_to(repository, 3)
    assert [go_back(repository), go_back(repository)] == [2, 1]
    assert moves(repository) == [(2, 3), (3, 2), (2, 1)]
    with pytest.raises(NothingToRollBackError):
        go_back(repository)


def test_rollback_respects_a_manually_set_champion(repository: ModelRepository) -> None:
    go_to(repository, 1, 2)
    by_hand = AliasFile(champions={"cnn": 4}, last_entry=2)
    (repository.home_models / "aliases.json").write_text(by_hand.model_dump_json())
    assert [go_back(repository), go_back(repository)] == [2, 1]
    assert moves(repository) == [(None, 1), (1, 2), (4, 2), (2, 1)]


def test_rollback_skips_and_names_damaged_versions(repository: ModelRepository) -> None:
    go_to(repository, 1, 2, 3, 4)
    damage(repository, 3)
    repository.folder("cnn", 2).rename(repository.home_models / "removed")
    assert go_back(repository) == 1
    last = history(repository)[-1]
    assert last.reason.startswith("worse; skipped cnn@3: model.onnx: sha256 is ")
    assert "; skipped unknown version 2 of cnn" in last.reason
    assert last.evidence is not None
    assert len(last.evidence["skipped"]) == 2
    with pytest.raises(NothingToRollBackError):
        go_back(repository)


def test_rollback_without_intact_version_is_refused(repository: ModelRepository) -> None:
    go_to(repository, 1, 2, 1, 3)
    damage(repository, 1)
    damage(repository, 2)
    with pytest.raises(NothingToRollBackError, match=r"skipped cnn@1: .*; skipped cnn@2: "):
        go_back(repository)
    assert repository.champion("cnn") == 3


def test_rollback_never_leads_to_the_champion_itself(repository: ModelRepository) -> None:
    go_to(repository, 1, 2, 1)
    damage(repository, 2)
    with pytest.raises(NothingToRollBackError):
        go_back(repository)


def test_rollback_unknown_family_lists_existing_ones(repository: ModelRepository) -> None:
    with pytest.raises(UnknownFamilyError, match="available models are cnn, mlp"):
        rollback(repository, "dog", actor="a", reason="r")


@settings(max_examples=25)
@given(steps=st.lists(st.sampled_from([1, 2, 3, 4, "back"]), min_size=1, max_size=14))
def test_champions_and_trail_follow_any_sequence(steps: list[int | str]) -> None:
    with TemporaryDirectory() as folder:
        repository = make_repository(Path(folder))
        stack: list[int] = []
        expected: list[tuple[int | None, int]] = []
        for step in steps:
            before = stack[-1] if stack else None
            if isinstance(step, int):
                go_to(repository, step)
                if step != before:
                    stack.append(step)
            elif len(stack) > 1:
                stack.pop()
                assert go_back(repository) == stack[-1]
            else:
                with pytest.raises(NothingToRollBackError):
                    go_back(repository)
            if stack and stack[-1] != before:
                expected.append((before, stack[-1]))
            assert repository.champion("cnn") == (stack[-1] if stack else None)
        assert moves(repository) == expected


def test_history_of_unknown_family_is_an_error(repository: ModelRepository) -> None:
    assert history(repository) == []
    assert history(repository, "cnn") == []
    with pytest.raises(UnknownFamilyError):
        history(repository, "dog")
