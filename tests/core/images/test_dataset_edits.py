"""Edits of a data set: new versions, nothing overwritten, restored images, layouts and kills."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from core.errors import DataError, JournalFullError, UnknownDatasetError, UnknownImageError
from core.images.dataset_edits import edit_dataset
from core.images.edit_journal import JOURNAL_NAME, DatasetEdit, read_edits
from core.images.labelled_folders import LabelledFolder, read_folder

PETS = {"cat/1.png": b"1", "cat/2.png": b"22", "dog/1.png": b"333"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    write(tmp_path, PETS)
    return tmp_path


def write(home: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        path = home / "datasets" / "pets" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def names(folder: LabelledFolder) -> Mapping[str, list[str]]:
    return {label: [file.name for file in files] for label, files in folder.files.items()}


def edit(home: Path, **labels: str | None) -> tuple[LabelledFolder, DatasetEdit | None]:
    given = {name.replace("_", "/") + ".png": label for name, label in labels.items()}
    return edit_dataset(home, "pets", given, actor="tester", reason="wrong label")


def contents(home: Path) -> dict[str, bytes]:
    root = home / "datasets" / "pets"
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*.png")}


def test_edits_make_versions_and_change_no_file(home: Path) -> None:
    before = read_folder(home, "pets")
    after, made = edit(home, cat_2="dog", cat_1=None)
    assert names(after) == {"dog": ["cat/2.png", "dog/1.png"]}
    assert (after.images, after.bytes, after.stored_images, after.stored_bytes) == (2, 5, 3, 6)
    assert read_folder(home, "pets") == after
    assert contents(home) == PETS
    assert made is not None
    assert (made.digest_before, made.digest) == (before.digest, after.digest)
    assert made.digest != made.digest_before
    assert {(one.file, one.before, one.label) for one in made.changes} == {
        ("cat/2.png", "cat", "dog"),
        ("cat/1.png", "cat", None),
    }
    assert read_edits(home / "datasets" / "pets") == [made]


def test_removed_image_is_restored_and_the_version_returns(home: Path) -> None:
    before = read_folder(home, "pets")
    edit(home, cat_1=None, dog_1="bird")
    assert edit(home, cat_1="cat", dog_1="dog")[0].digest == before.digest
    assert len(read_edits(home / "datasets" / "pets")) == 2


def test_edit_without_a_change_is_not_recorded(home: Path) -> None:
    assert edit(home, cat_1="cat")[1] is None
    edit(home, cat_1=None)
    assert edit(home, cat_1=None)[1] is None
    assert len(read_edits(home / "datasets" / "pets")) == 1


def test_file_that_replaces_an_edited_one_is_a_new_image(home: Path) -> None:
    edit(home, cat_1=None)
    write(home, {"cat/1.png": b"another"})
    assert names(read_folder(home, "pets"))["cat"] == ["cat/1.png", "cat/2.png"]


def test_edits_apply_to_a_table(home: Path) -> None:
    (home / "datasets" / "pets" / "labels.csv").write_text("path,label\ncat/1.png,cat\ndog/1.png,cat\n")
    assert names(edit(home, dog_1="dog")[0]) == {"cat": ["cat/1.png"], "dog": ["dog/1.png"]}


def test_class_folder_without_images_stays_listed(home: Path) -> None:
    (home / "datasets" / "pets" / "bird").mkdir()
    assert set(edit(home, cat_1=None, cat_2=None)[0].files) == {"bird", "dog"}


def test_journal_keeps_uploads_possible(home: Path) -> None:
    assert edit(home, cat_1="dog", cat_2=None)[0].takes_uploads


def test_line_cut_off_by_a_kill_is_no_edit(home: Path) -> None:
    edit(home, cat_1=None)
    journal = home / "datasets" / "pets" / JOURNAL_NAME
    journal.write_bytes(journal.read_bytes() + b'{"at":"2026-')
    assert names(edit(home, cat_2="dog")[0]) == {"dog": ["cat/2.png", "dog/1.png"]}
    assert len(read_edits(home / "datasets" / "pets")) == 2


def test_decomposed_class_name_is_the_same_class(home: Path) -> None:
    edit(home, cat_1="gro\u00df-a\u0308")
    assert names(read_folder(home, "pets"))["gro\u00df-\u00e4"] == ["cat/1.png"]


def test_full_journal_refuses_edits(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    edit(home, cat_1=None)
    size = (home / "datasets" / "pets" / JOURNAL_NAME).stat().st_size
    monkeypatch.setattr("core.images.dataset_edits.MAX_JOURNAL_BYTES", size + 100)
    with pytest.raises(JournalFullError, match="new data set"):
        edit(home, cat_2=None)
    assert read_folder(home, "pets").images == 2


def test_bad_edits_are_refused_as_a_whole(home: Path) -> None:
    with pytest.raises(UnknownImageError, match="cat/9"):
        edit(home, cat_1=None, cat_9="dog")
    with pytest.raises(DataError, match="slashes"):
        edit(home, cat_1="a/b")
    with pytest.raises(DataError, match="actor and a reason"):
        edit_dataset(home, "pets", {"cat/1.png": None}, actor="tester", reason=" ")
    with pytest.raises(UnknownDatasetError):
        edit_dataset(home, "birds", {"cat/1.png": None}, actor="tester", reason="x")
    assert read_edits(home / "datasets" / "pets") == []
