from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest

from core.errors import DataError, UnknownDatasetError
from core.files import durable
from core.images import dataset_deletion
from core.images.dataset_deletion import TRAIL_NAME, delete_dataset, deletions
from core.images.labelled_folders import dataset_names, read_folder
from tests.support.labelled_folders import write_labelled_folder
from tests.support.processes import killed_at

BY = {"actor": "ada", "reason": "wrong labels"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    write_labelled_folder(tmp_path, "colours", {"night": 5, "grass": 4})
    write_labelled_folder(tmp_path, "others", {"night": 4, "grass": 4})
    return tmp_path


def test_deleted_dataset_is_gone_and_recorded(home: Path) -> None:
    folder = read_folder(home, "colours")
    entry = delete_dataset(home, "colours", **BY)
    assert dataset_names(home) == ["others"]
    assert sorted(path.name for path in (home / "datasets").iterdir()) == [TRAIL_NAME, ".lock", "others"]
    assert deletions(home) == [entry]
    assert (entry.name, entry.classes, entry.images) == ("colours", {"grass": 4, "night": 5}, 9)
    assert (entry.digest, entry.actor, entry.reason) == (folder.digest, "ada", "wrong labels")


def test_unknown_names_and_missing_reasons_are_refused(home: Path) -> None:
    with pytest.raises(UnknownDatasetError, match=r"did you mean 'colours'"):
        delete_dataset(home, "colors", **BY)
    with pytest.raises(DataError, match="name of a built-in data set"):
        delete_dataset(home, "cifar10", **BY)
    with pytest.raises(DataError, match="needs an actor and a reason"):
        delete_dataset(home, "colours", actor="ada", reason=" ")
    assert (dataset_names(home), deletions(home)) == (["colours", "others"], [])


def _delete(home: Path) -> None:
    delete_dataset(home, "colours", **BY)


@pytest.mark.slow
def test_delete_killed_at_any_line_is_all_or_nothing(tmp_path: Path) -> None:
    gone = []
    for step in count(1, 3):
        home = tmp_path / str(step)
        write_labelled_folder(home, "colours", {"night": 5, "grass": 4})
        if not killed_at(step, [dataset_deletion, durable], _delete, home):
            break
        gone.append("colours" not in dataset_names(home))
        assert gone[-1] or read_folder(home, "colours").images == 9
        assert deletions(home) or not gone[-1]
        if gone[-1]:
            write_labelled_folder(home, "colours", {"night": 5, "grass": 4})
        _delete(home)
        assert dataset_names(home) == []
        assert not list((home / "datasets").glob(".removed-*"))
    assert gone == sorted(gone)
    assert {True, False} <= set(gone)
