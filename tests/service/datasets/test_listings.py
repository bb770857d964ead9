"""Descriptions of data sets: kept while no folder changes, and made again after any change."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from core.errors import DataError, UnknownDatasetError
from core.images.dataset_edits import edit_dataset
from core.images.edit_journal import JOURNAL_NAME
from core.images.labelled_folders import LabelledFolder, datasets_folder, read_folder
from core.schemas.datasets import detail
from service.datasets import listings as listings_module
from service.datasets.listings import MAX_AGE_SECONDS, DatasetListings


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    folder = datasets_folder(tmp_path) / "pets"
    for label in ("cat", "dog"):
        (folder / label).mkdir(parents=True)
        for number in range(4):
            (folder / label / f"{number}.png").write_bytes(b"x" * (number + 1))
    settle(folder)
    return folder


def settle(folder: Path) -> None:
    """Date the last change of each folder back, by another time than before."""
    moment = time.time_ns() - 10_000_000_000
    for path in (folder, *(path for path in folder.iterdir() if path.is_dir())):
        os.utime(path, ns=(moment, moment))


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the data sets whose files were listed."""
    names: list[str] = []

    def recorded(home: Path, name: str) -> LabelledFolder:
        names.append(name)
        return read_folder(home, name)

    monkeypatch.setattr(listings_module, "read_folder", recorded)
    return names


def test_unchanged_data_set_is_listed_once(tmp_path: Path, pets: Path, read: list[str]) -> None:
    listings = DatasetListings(tmp_path)
    assert [listings.describe("pets") for _ in range(3)] == [detail(read_folder(tmp_path, "pets"))] * 3
    assert read == ["pets"]


def test_every_change_of_a_folder_is_seen(tmp_path: Path, pets: Path, read: list[str]) -> None:
    listings = DatasetListings(tmp_path)
    assert listings.describe("pets").images == 8
    (pets / "dog" / "5.png").write_bytes(b"new")
    assert listings.describe("pets").images == 9
    (pets / "dog" / "6.png").write_bytes(b"in the same moment")
    assert listings.describe("pets").images == 10
    (pets / "cat").rename(pets / "lion")
    assert [each.label for each in listings.describe("pets").classes] == ["dog", "lion"]
    settle(pets)
    assert listings.describe("pets").images == 10
    shutil.rmtree(pets / "lion")
    assert listings.describe("pets").images == 6
    assert len(read) >= 5


def test_overwritten_file_is_seen_after_a_while(tmp_path: Path, pets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listings = DatasetListings(tmp_path)
    before = listings.describe("pets")
    (pets / "cat" / "0.png").write_bytes(b"longer")
    assert listings.describe("pets") == before
    later = time.monotonic() + MAX_AGE_SECONDS + 1
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert listings.describe("pets").bytes == before.bytes + 5


def test_deleted_data_set_is_unknown_and_forgotten(tmp_path: Path, pets: Path) -> None:
    listings = DatasetListings(tmp_path)
    listings.describe("pets")
    shutil.rmtree(pets)
    with pytest.raises(UnknownDatasetError):
        listings.describe("pets")
    assert listings._known == {}


def test_invalid_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        DatasetListings(tmp_path).describe("../pets")


def test_latest_listing_is_kept_until_a_change(tmp_path: Path, pets: Path, read: list[str]) -> None:
    listings = DatasetListings(tmp_path)
    assert [listings.folder("pets").images for _ in range(3)] == [8, 8, 8]
    assert read == ["pets"]
    edit_dataset(tmp_path, "pets", {"cat/0.png": None}, actor="tester", reason="bad")
    assert (listings.folder("pets").images, listings.describe("pets").images) == (7, 7)


def test_second_edit_is_seen_although_it_changes_no_folder(tmp_path: Path, pets: Path, read: list[str]) -> None:
    edit_dataset(tmp_path, "pets", {"cat/0.png": None}, actor="tester", reason="bad")
    settle(pets)
    os.utime(pets / JOURNAL_NAME, ns=(1, 1))
    listings = DatasetListings(tmp_path)
    assert (listings.folder("pets").images, listings.describe("pets").images) == (7, 7)
    stamps = [path.stat().st_mtime_ns for path in (pets, pets / "cat", pets / "dog")]
    edit_dataset(tmp_path, "pets", {"cat/1.png": None}, actor="tester", reason="bad")
    for path, moment in zip((pets, pets / "cat", pets / "dog"), stamps, strict=True):
        os.utime(path, ns=(moment, moment))
    assert (listings.folder("pets").images, listings.describe("pets").images) == (6, 6)
