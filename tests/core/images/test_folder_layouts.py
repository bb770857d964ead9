"""Layouts of image folders: nested folders, parts, wrappers, tables, system files."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from pathlib import Path

import pytest

from core.errors import DataError
from core.images.labelled_folders import LabelledFolder, read_folder
from tests.support.markdown import ROOT, blocks


def listed(home: Path, *names: str) -> LabelledFolder:
    """The data set `pets` after the files were written, each with its name as content."""
    for name in names:
        path = home / "datasets" / "pets" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return read_folder(home, "pets")


def names(folder: LabelledFolder) -> Mapping[str, list[str]]:
    return {label: [file.name for file in files] for label, files in folder.files.items()}


def parts(folder: LabelledFolder) -> set[tuple[str, str | None]]:
    return {(file.name, file.part) for files in folder.files.values() for file in files}


def test_nested_folders_belong_to_their_class(tmp_path: Path) -> None:
    folder = listed(tmp_path, "cat/1.png", "cat/2023/june/1.png", "dog/a, b.png", "dog/größe 1.png")
    assert names(folder) == {"cat": ["cat/1.png", "cat/2023/june/1.png"], "dog": ["dog/a, b.png", "dog/größe 1.png"]}
    assert (folder.layout, folder.skipped, folder.takes_uploads) == ("classes", (), True)


def test_system_files_are_ignored(tmp_path: Path) -> None:
    folder = listed(
        tmp_path, "cat/1.png", "dog/1.png", ".DS_Store", "cat/.DS_Store", "cat/Thumbs.db", "dog/x/desktop.ini",
        "__MACOSX/cat/._1.png", "dog/__MACOSX/1.png",
    )  # fmt: skip
    assert names(folder) == {"cat": ["cat/1.png"], "dog": ["dog/1.png"]}
    assert folder.skipped == ()


def test_folder_around_the_classes_is_skipped(tmp_path: Path) -> None:
    folder = listed(tmp_path, "photos/cat/1.png", "photos/dog/1.png", "read me.txt")
    assert names(folder) == {"cat": ["photos/cat/1.png"], "dog": ["photos/dog/1.png"]}
    assert folder.skipped == (("read me.txt", "not in a class folder"),)
    assert not folder.takes_uploads


@pytest.mark.parametrize("around", ["", "photos/"])
def test_folders_of_parts_give_the_parts(tmp_path: Path, around: str) -> None:
    folder = listed(
        tmp_path, f"{around}train/cat/1.png", f"{around}train/dog/1.png", f"{around}Val/cat/2.png",
        f"{around}test/dog/x/3.png", f"{around}test/.DS_Store",
    )  # fmt: skip
    assert folder.layout == "parts"
    assert parts(folder) == {
        (f"{around}train/cat/1.png", "train"),
        (f"{around}train/dog/1.png", "train"),
        (f"{around}Val/cat/2.png", "validation"),
        (f"{around}test/dog/x/3.png", "test"),
    }
    assert list(folder.files) == ["cat", "dog"]
    assert folder.takes_uploads == (not around)


def test_classes_may_have_the_names_of_parts(tmp_path: Path) -> None:
    """Images of trains, and of tests."""
    folder = listed(tmp_path, "train/1.png", "test/1.png")
    assert (folder.layout, list(folder.files)) == ("classes", ["test", "train"])
    assert {part for _, part in parts(folder)} == {None}
    assert listed(tmp_path, "plane/1.png").layout == "classes"


def write_table(home: Path, text: str, *, encoding: str = "utf-8") -> None:
    table = home / "datasets" / "pets" / "labels.csv"
    table.parent.mkdir(parents=True, exist_ok=True)
    table.write_bytes(text.encode(encoding))


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ('path,label\nall/IMG 1.jpg,Großer Hund\n"all/a, b.jpg",cat\n', "utf-8"),
        ("\ufefffilename;class\r\nall\\IMG 1.jpg;Großer Hund\r\nall/a, b.jpg;cat\r\n", "utf-8"),
        ("Label\tFile\nGro\u00dfer Hund\tall/IMG 1.jpg\ncat\tall/a, b.jpg\n\n", "utf-8"),
    ],
)
def test_table_gives_the_labels(tmp_path: Path, text: str, encoding: str) -> None:
    write_table(tmp_path, text, encoding=encoding)
    folder = listed(tmp_path, "all/IMG 1.jpg", "all/a, b.jpg", "all/without label.jpg")
    assert names(folder) == {"Großer Hund": ["all/IMG 1.jpg"], "cat": ["all/a, b.jpg"]}
    assert (folder.layout, folder.skipped, folder.takes_uploads) == ("table", (), False)


def test_table_on_the_page_is_read(tmp_path: Path) -> None:
    [block] = [block for block in blocks(ROOT / "docs" / "own-images.md") if block.language == "csv"]
    write_table(tmp_path, block.text)
    folder = listed(tmp_path, "photos/IMG 1.jpg", "photos/a, b.jpg")
    assert parts(folder) == {("photos/IMG 1.jpg", "train"), ("photos/a, b.jpg", "test")}
    assert list(folder.files) == ["Großer Hund", "cat"]


def test_table_gives_parts(tmp_path: Path) -> None:
    write_table(tmp_path, "path,label,split\n1,cat,train\n2,cat,Valid\n3,dog,test\n4,dog,\n5,dog,later\n")
    folder = listed(tmp_path, "1", "2", "3", "4", "5")
    assert parts(folder) == {("1", "train"), ("2", "validation"), ("3", "test"), ("4", None)}
    assert folder.skipped == (("5", "'later' is not a part: use train, validation, holdout or test"),)


def test_table_finds_names_in_another_normal_form(tmp_path: Path) -> None:
    write_table(tmp_path, unicodedata.normalize("NFC", "path,label\nGrün.png,cat\n"))
    folder = listed(tmp_path, unicodedata.normalize("NFD", "Grün.png"))
    assert folder.images == 1


def test_rows_without_a_usable_file_are_skipped(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"x")
    write_table(
        tmp_path,
        "path,label\n1,cat\n1,cat\n2,cat\n2,dog\n../../secret,cat\n/etc/passwd,cat\nnone,cat\nlink,cat\n3,.hidden\n4\n",
    )
    (tmp_path / "datasets" / "pets" / "link").symlink_to(tmp_path / "secret")
    folder = listed(tmp_path, "1", "2", "3", "4")
    assert names(folder) == {"cat": ["1"]}
    assert {file: reason.split(":")[0].split(",")[0] for file, reason in folder.skipped} == {
        "2": "the table gives it 2 labels",
        "../../secret": "the path is not within the folder of the data set",
        "/etc/passwd": "the path is not within the folder of the data set",
        "none": "the table names it",
        "link": "a link",
        "3": "a class name must not begin with a dot",
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "needs one column path and one column label"),
        (b"path,species\n1,cat\n", "needs one column label: begin it with the line path,label"),
        (b"path,label\n1,gr\xfcn\n", r"not UTF-8 \(byte 15\): save it as CSV UTF-8"),
        (b"path,label\n" + b"a" * 200_000 + b",cat\n", "damaged in line 2"),
    ],
)
def test_unusable_table_is_an_error(tmp_path: Path, content: bytes, message: str) -> None:
    write_table(tmp_path, "")
    (tmp_path / "datasets" / "pets" / "labels.csv").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_folder(tmp_path, "pets")
