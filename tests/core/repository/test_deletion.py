from __future__ import annotations

import shutil
from itertools import count
from pathlib import Path

import pytest

from core.errors import (
    ChampionDeletionError,
    NoChampionError,
    RepositoryError,
    ShippedVersionError,
    UnknownFamilyError,
    UnknownVersionError,
)
from core.files import durable
from core.repository import alias_files, champions, deletion
from core.repository.champions import archive, history, promote, rollback
from core.repository.deletion import delete_family, delete_version
from core.repository.manifest import MANIFEST_NAME
from core.repository.publishing import reserve
from core.repository.repository import ModelRepository
from tests.support.processes import killed_at
from tests.support.versions import go_to, make_repository

BY = {"actor": "ada", "reason": "too old"}


@pytest.fixture
def repository(tmp_path: Path) -> ModelRepository:
    """cnn@1 is shipped; cnn@2 to cnn@4 and mlp@1 are in the home layer; cnn@2 was champion, cnn@3 is."""
    repository = make_repository(tmp_path)
    go_to(repository, 2, 3)
    return repository


def test_deleted_version_number_is_never_reused(repository: ModelRepository) -> None:
    accuracy = repository.manifest("cnn", 4).metrics.test_accuracy
    entry = delete_version(repository, "cnn", 4, **BY)
    assert repository.versions("cnn") == [1, 2, 3]
    assert not (repository.home_models / "cnn" / "4").exists()
    assert history(repository)[-1] == entry
    assert (entry.action, entry.from_version, entry.to_version) == ("delete", 4, None)
    assert (entry.actor, entry.reason) == ("ada", "too old")
    assert entry.evidence is not None
    assert entry.evidence["test_accuracy"] == accuracy
    assert repository.champion("cnn") == 3
    with reserve(repository, "cnn") as staging:
        assert staging.version == 5


def test_champion_and_shipped_versions_are_kept(repository: ModelRepository) -> None:
    with pytest.raises(ChampionDeletionError, match="cnn@3 is the champion of cnn: promote another version first"):
        delete_version(repository, "cnn", 3, **BY)
    with pytest.raises(ShippedVersionError, match="cnn@1 ships with the project"):
        delete_version(repository, "cnn", 1, **BY)
    with pytest.raises((ShippedVersionError, ChampionDeletionError)):
        delete_family(repository, "cnn", **BY)
    assert repository.versions("cnn") == [1, 2, 3, 4]
    assert [entry.action for entry in history(repository)] == ["promote", "promote"]


def test_unknown_versions_and_missing_reasons_are_refused(repository: ModelRepository) -> None:
    with pytest.raises(UnknownVersionError):
        delete_version(repository, "cnn", 9, **BY)
    with pytest.raises(UnknownFamilyError):
        delete_family(repository, "pets", **BY)
    with pytest.raises(RepositoryError, match="reason of the change is empty"):
        delete_version(repository, "cnn", 4, actor="ada", reason=" ")


def test_damaged_version_can_be_deleted(repository: ModelRepository) -> None:
    (repository.home_models / "cnn" / "4" / MANIFEST_NAME).unlink()
    assert delete_version(repository, "cnn", 4, **BY).evidence is None
    assert repository.versions("cnn") == [1, 2, 3]


def test_rollback_skips_deleted_versions(repository: ModelRepository) -> None:
    go_to(repository, 4)
    delete_version(repository, "cnn", 3, **BY)
    moved = rollback(repository, "cnn", actor="bob", reason="worse")
    assert (moved.from_version, moved.to_version) == (4, 2)
    assert "skipped unknown version 3 of cnn" in moved.reason


def test_family_is_deleted_after_it_was_archived(repository: ModelRepository) -> None:
    go_to(repository, 1, family="mlp")
    with pytest.raises(ChampionDeletionError, match="duet models archive mlp"):
        delete_family(repository, "mlp", **BY)
    archived = archive(repository, "mlp", **BY)
    assert (archived.action, archived.from_version, archived.to_version) == ("archive", 1, None)
    assert (repository.champion("mlp"), repository.versions("mlp")) == (None, [1])
    with pytest.raises(NoChampionError):
        archive(repository, "mlp", **BY)
    assert [entry.from_version for entry in delete_family(repository, "mlp", **BY)] == [1]
    assert repository.families() == ["cnn"]
    with reserve(repository, "mlp") as staging:
        assert staging.version == 2


def test_archived_family_can_be_promoted_and_rolled_back(repository: ModelRepository) -> None:
    go_to(repository, 1, family="mlp")
    archive(repository, "mlp", **BY)
    assert rollback(repository, "mlp", actor="bob", reason="needed").to_version == 1
    archive(repository, "mlp", **BY)
    promoted = promote(repository, "mlp", 1, actor="ada", reason="needed again")
    assert (promoted.from_version, promoted.to_version) == (None, 1)
    assert repository.champion("mlp") == 1


def test_shipped_family_is_not_archived(repository: ModelRepository) -> None:
    (repository.shipped / "aliases.json").write_text('{"champions": {"cnn": 1}}')
    with pytest.raises(ShippedVersionError, match="cnn ships with the project"):
        archive(repository, "cnn", **BY)


def _delete_4(repository: ModelRepository) -> None:
    delete_version(repository, "cnn", 4, **BY)


@pytest.mark.slow
@pytest.mark.parametrize("stride", [9, pytest.param(1, marks=pytest.mark.full)], ids=["some lines", "every line"])
def test_delete_killed_at_any_line_is_all_or_nothing(repository: ModelRepository, tmp_path: Path, stride: int) -> None:
    pristine, gone = tmp_path / "pristine", []
    shutil.copytree(repository.home_models, pristine)
    for step in count(1, stride):
        if not killed_at(step, [deletion, champions, alias_files, durable], _delete_4, repository):
            break
        gone.append(4 not in repository.versions("cnn"))
        recorded = [entry for entry in history(repository) if entry.action == "delete"]
        assert recorded or not gone[-1]
        for version in repository.versions("cnn"):
            repository.verify("cnn", version)
        if not gone[-1]:
            _delete_4(repository)
        assert [entry.from_version for entry in history(repository) if entry.action == "delete"] == [4]
        assert repository.versions("cnn") == [1, 2, 3]
        shutil.rmtree(repository.home_models)
        shutil.copytree(pristine, repository.home_models)
    assert gone == sorted(gone)
    assert False in gone
