from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.repository import deletion, pruning
from core.repository.champions import rollback
from core.repository.manifest import MANIFEST_NAME
from core.repository.pruning import prune_unpromoted
from core.repository.publishing import reserve
from core.repository.repository import ModelRepository
from tests.support.processes import killed_at
from tests.support.versions import CREATED_AT, go_to, make_repository, write_version

LATER = CREATED_AT + timedelta(days=1)


@pytest.fixture
def repository(tmp_path: Path) -> ModelRepository:
    """cnn@1 is shipped, cnn@2 to cnn@8 are in the home layer; cnn@3 was champion, cnn@5 is."""
    repository = make_repository(tmp_path)
    for version in (5, 6, 7, 8):
        write_version(repository.home_models / "cnn" / str(version), "cnn", version)
    go_to(repository, 3, 5)
    return repository


def test_old_unpromoted_versions_are_pruned(repository: ModelRepository) -> None:
    assert prune_unpromoted(repository, "cnn", keep=2, before=LATER) == [2, 4, 6]
    assert repository.versions("cnn") == [1, 3, 5, 7, 8]
    assert prune_unpromoted(repository, "cnn", keep=2, before=LATER) == []
    assert rollback(repository, "cnn", actor="ada", reason="worse").to_version == 3
    for version in repository.versions("cnn"):
        repository.verify("cnn", version)


def test_prune_keeps_every_former_champion(repository: ModelRepository) -> None:
    assert prune_unpromoted(repository, "cnn", keep=1, before=LATER) == [2, 4, 6, 7]
    assert repository.versions("cnn") == [1, 3, 5, 8]
    with reserve(repository, "cnn") as staging:
        assert staging.version == 9


def test_new_versions_and_those_in_use_are_kept(repository: ModelRepository) -> None:
    assert prune_unpromoted(repository, "cnn", keep=1, before=CREATED_AT) == []
    assert prune_unpromoted(repository, "cnn", keep=1, before=LATER, in_use={2, 6}) == [4, 7]
    assert repository.versions("cnn") == [1, 2, 3, 5, 6, 8]


def test_shipped_and_damaged_versions_and_other_families_stay(repository: ModelRepository) -> None:
    (repository.home_models / "cnn" / "4" / MANIFEST_NAME).unlink()
    assert prune_unpromoted(repository, "cnn", keep=1, before=LATER) == [2, 6, 7]
    assert 4 in repository.numbers("cnn")
    assert repository.numbers("mlp") == [1]
    assert prune_unpromoted(repository, "mlp", keep=1, before=LATER) == []
    assert prune_unpromoted(repository, "none", keep=1, before=LATER) == []


def test_keeping_none_is_refused(repository: ModelRepository) -> None:
    with pytest.raises(ValueError, match="keep at least 1"):
        prune_unpromoted(repository, "cnn", keep=0, before=LATER)


@pytest.mark.slow
def test_prune_killed_at_any_line_is_all_or_nothing(repository: ModelRepository, tmp_path: Path) -> None:
    pristine = tmp_path / "pristine"
    shutil.copytree(repository.home_models, pristine)
    step = 1
    while killed_at(step, [pruning, deletion], _prune, repository):
        for version in repository.versions("cnn"):
            repository.verify("cnn", version)
        prune_unpromoted(repository, "cnn", keep=2, before=LATER)
        assert repository.versions("cnn") == [1, 3, 5, 7, 8]
        assert list((repository.home_models / "cnn").glob(".removed-*")) == []
        shutil.rmtree(repository.home_models)
        shutil.copytree(pristine, repository.home_models)
        step += 1
    assert step > 5


def _prune(repository: ModelRepository) -> None:
    prune_unpromoted(repository, "cnn", keep=2, before=datetime.now(UTC))
