from __future__ import annotations

import os
from pathlib import Path

import pytest

from core.errors import ConfigurationError, DataError, UnknownDatasetError
from core.images.class_labels import label_problem, shown
from core.images.labelled_folders import (
    dataset_folder,
    dataset_names,
    default_family,
    folder_of,
    read_folder,
    shortfalls,
)
from tests.support.labelled_folders import write_labelled_folder


def test_read_lists_files_in_order_with_sizes(tmp_path: Path) -> None:
    path = write_labelled_folder(tmp_path, "colours", {"night": 2, "grass": 3})
    (path / "empty").mkdir()
    folder = read_folder(tmp_path, "colours")
    assert {label: len(files) for label, files in folder.files.items()} == {"empty": 0, "grass": 3, "night": 2}
    assert list(folder.files) == ["empty", "grass", "night"]
    assert (folder.images, folder.data, folder.skipped) == (5, "folder:colours", ())
    assert folder.bytes == sum(file.stat().st_size for file in path.rglob("0*"))


def test_read_names_stray_files_and_skips_links(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "secret").write_bytes(b"x")
    path = write_labelled_folder(tmp_path, "colours", {"night": 1})
    (path / "linked").symlink_to(elsewhere)
    (path / "night" / "link").symlink_to(elsewhere / "secret")
    (path / "night" / "inner").symlink_to(elsewhere)
    os.mkfifo(path / "night" / "pipe")
    (path / "loose.png").write_bytes(b"x")
    (path / " space").mkdir()
    (path / ".hidden").mkdir()
    (path / "night" / ".hidden").write_bytes(b"x")
    folder = read_folder(tmp_path, "colours")
    assert {label: len(files) for label, files in folder.files.items()} == {"night": 1}
    assert {file: reason.split(",")[0] for file, reason in folder.skipped} == {
        " space": "a class name must not begin with a dot",
        "linked": "a link",
        "loose.png": "not in a class folder",
        "night/inner": "a link",
        "night/pipe": "not a file",
        "night/link": "a link",
    }


def test_name_that_is_not_utf8_is_escaped(tmp_path: Path) -> None:
    path = write_labelled_folder(tmp_path, "colours", {"night": 1})
    (path / os.fsdecode(b"caf\xe9.txt")).write_bytes(b"x")
    (path / "night" / os.fsdecode(b"na\xefve")).symlink_to(path)
    assert [file for file, _ in read_folder(tmp_path, "colours").skipped] == ["caf\\xe9.txt", "night/na\\xefve"]
    assert shown("Großer Hund/犬.png") == "Großer Hund/犬.png"


def test_names_are_those_of_data_sets_alone(tmp_path: Path) -> None:
    for name in ("pets", "birds", "cifar10", ".uploads", "Not A Name"):
        (tmp_path / "datasets" / name).mkdir(parents=True)
    (tmp_path / "datasets" / "file").write_bytes(b"")
    (tmp_path / "datasets" / "link").symlink_to(tmp_path)
    assert dataset_names(tmp_path) == ["birds", "pets"]
    assert dataset_names(tmp_path / "nowhere") == []


@pytest.mark.parametrize("name", ["..", "../pets", "pets/cat", "/etc", "", ".", "Pets", "a" * 65, "pets\n", "-pets"])
def test_invalid_data_set_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="is not a valid data set name"):
        dataset_folder(tmp_path, name)


def test_built_in_dataset_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="built-in data set"):
        read_folder(tmp_path, "cifar10")


def test_unknown_data_set_lists_the_existing_ones(tmp_path: Path) -> None:
    with pytest.raises(UnknownDatasetError, match="no data set exists yet"):
        read_folder(tmp_path, "pets")
    write_labelled_folder(tmp_path, "colours", {"night": 1})
    (tmp_path / "datasets" / "pets").symlink_to(tmp_path)
    with pytest.raises(UnknownDatasetError, match=r"links .* not followed\): available data sets are colours"):
        read_folder(tmp_path, "pets")


def test_digest_changes_with_every_change(tmp_path: Path) -> None:
    path = write_labelled_folder(tmp_path, "colours", {"night": 2, "grass": 1})
    digests = [read_folder(tmp_path, "colours").digest]
    assert read_folder(tmp_path, "colours").digest == digests[0]
    changes = (
        lambda: (path / "night" / "0000").rename(path / "night" / "0009"),
        lambda: (path / "night" / "0009").rename(path / "grass" / "0009"),
        lambda: (path / "grass").rename(path / "meadow"),
        lambda: (path / "new").mkdir(),
        lambda: (path / "night" / "0001").write_bytes(b"x"),
    )
    for change in changes:
        change()
        digests.append(read_folder(tmp_path, "colours").digest)
    assert len(set(digests)) == len(digests)


def test_shortfalls_say_how_many_are_needed() -> None:
    assert shortfalls({"cat": 4, "dog": 4}) == []
    assert shortfalls({"cat": 4}) == ["it has 1 class and needs at least 2"]
    assert shortfalls({"cat": 0, "dog": 1, "owl": 2}) == [
        "class 'cat' is empty and needs at least 2",
        "class 'dog' has 1 image and needs at least 2",
    ]
    assert shortfalls({"cat": 4, "dog": 2}) == shortfalls({"cat": 3, "dog": 3}) == []
    assert shortfalls({"cat": 3, "dog": 2}) == [
        "its classes have 1 image beyond 2 each and need at least 2 for validation and test"
    ]
    assert shortfalls({str(number): 4 for number in range(1001)}) == ["it has 1,001 classes, the limit is 1,000"]


@pytest.mark.parametrize("label", ["cat", "brick red", "Großer Hund", "犬", "a" * 100, "3", "x.y"])
def test_natural_language_label_is_accepted(label: str) -> None:
    assert label_problem(label) is None


@pytest.mark.parametrize(
    "label",
    [
        "",
        "a" * 101,
        "a/b",
        "a\\b",
        "..",
        ".",
        ".a",
        " a",
        "a ",
        "a\nb",
        "a\x00b",
        "犬" * 90,
        "\u202ea",
    ],
)
def test_unsafe_label_is_refused(label: str) -> None:
    assert label_problem(label)


def test_folder_prefix_selects_a_labelled_folder() -> None:
    assert folder_of("folder:pets") == "pets"
    assert folder_of("cifar10") is None
    assert default_family("cnn", "cifar10") == "cnn"
    with pytest.raises(ConfigurationError, match="name a family to publish under"):
        default_family("cnn", "folder:pets")


def test_decomposed_folder_name_is_the_composed_class(tmp_path: Path) -> None:
    for label, name in (("gru\u0308n", "1.png"), ("gru\u0308n", "2.png"), ("gr\u00fcn", "3.png")):
        folder = tmp_path / "datasets" / "colours" / label
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"image")
    found = read_folder(tmp_path, "colours")
    assert {label: len(files) for label, files in found.files.items()} == {"gr\u00fcn": 3}
    assert found.skipped == ()


def test_read_of_a_read_only_folder_needs_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_labelled_folder(tmp_path, "colours", {"night": 1})
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert read_folder(tmp_path, "colours").images == 1
    assert not (tmp_path / "datasets" / ".lock").exists()
