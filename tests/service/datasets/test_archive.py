"""Untrusted zip archives: extracted files, skipped files, rejected archives."""

from __future__ import annotations

import io
import stat
import struct
import tracemalloc
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from service.datasets.archive import HARMLESS_BYTES, read_archive
from service.datasets.files import Candidate, Limits, Skipped
from service.errors import DatasetTooLargeError, UnreadableArchiveError, UnsafeArchiveError

LIMITS = Limits(
    upload_bytes=2**30,
    image_bytes=1000,
    pixels=10**6,
    images=100,
    bytes=10 * HARMLESS_BYTES,
    all_bytes=2**40,
    free_bytes=0,
    seconds=60.0,
    decoding_seconds=60.0,
)


def zipped(path: Path, files: Mapping[str, bytes], *, compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def taken(path: Path, limits: Limits = LIMITS) -> dict[str, bytes]:
    """Content by class and name; asserts that no file is skipped."""
    files = list(read_archive(path, limits))
    assert not [file for file in files if isinstance(file, Skipped)]
    return {f"{file.label}: {file.name}": file.content for file in files if isinstance(file, Candidate)}


def left_out(path: Path, limits: Limits = LIMITS) -> dict[str, str]:
    return {file.name: file.reason for file in read_archive(path, limits) if isinstance(file, Skipped)}


def test_files_are_labelled_by_their_folders(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"cat/1.png": b"one", "dog/2.png": b"two", "dog/3": b"three", "dog/": b""})
    assert taken(path) == {"cat: cat/1.png": b"one", "dog: dog/2.png": b"two", "dog: dog/3": b"three"}


def test_outer_folder_and_system_files_are_ignored(tmp_path: Path) -> None:
    files = {"pets/cat/1": b"1", "pets/dog/2": b"2", "__MACOSX/pets/._1": b"x", "pets/.DS_Store": b"x"}
    assert taken(zipped(tmp_path / "a.zip", files)) == {"cat: pets/cat/1": b"1", "dog: pets/dog/2": b"2"}
    files = {"./cat/1": b"1", "./dog/2": b"2", "./dog/Thumbs.db": b"x"}
    assert taken(zipped(tmp_path / "b.zip", files)) == {"cat: ./cat/1": b"1", "dog: ./dog/2": b"2"}


def test_nested_folders_belong_to_their_class(tmp_path: Path) -> None:
    files = {"cat/1": b"1", "cat/2023/june/2": b"2", "dog/3": b"3", "dog/Thumbs.db/4": b"x"}
    assert taken(zipped(tmp_path / "a.zip", files)) == {
        "cat: cat/1": b"1",
        "cat: cat/2023/june/2": b"2",
        "dog: dog/3": b"3",
    }


@pytest.mark.parametrize("around", ["", "pets/"])
def test_folders_of_parts_give_the_parts(tmp_path: Path, around: str) -> None:
    names = ("train/cat/1", "train/dog/x/2", "Val/cat/3", "test/dog/4")
    path = zipped(tmp_path / "a.zip", {f"{around}{name}": b"x" for name in names})
    found = [file for file in read_archive(path, LIMITS) if isinstance(file, Candidate)]
    assert [(file.label, file.part) for file in found] == [
        ("cat", "train"), ("dog", "train"), ("cat", "validation"), ("dog", "test"),
    ]  # fmt: skip


def test_classes_may_have_the_names_of_parts(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"train/1": b"1", "test/2": b"2"})
    found = [file for file in read_archive(path, LIMITS) if isinstance(file, Candidate)]
    assert [(file.label, file.part) for file in found] == [("train", None), ("test", None)]


def test_labels_are_normalized_to_nfc(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"cafe\u0301/1": b"1", "caf\u00e9/2": b"2"})
    assert {file.label for file in read_archive(path, LIMITS) if isinstance(file, Candidate)} == {"caf\u00e9"}


@pytest.mark.parametrize(
    "name", ["../cat/1.png", "cat/../../1.png", "/cat/1.png", "cat\\..\\..\\1.png", "C:/cat/1.png", "cat/.."]
)
def test_unsafe_path_rejects_the_archive(tmp_path: Path, name: str) -> None:
    path = zipped(tmp_path / "a.zip", {"cat/1.png": b"fine", name: b"not fine"})
    with pytest.raises(UnsafeArchiveError, match="leads out of the archive"):
        list(read_archive(path, LIMITS))


def test_unusable_entries_are_skipped_with_a_reason(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        link = zipfile.ZipInfo("cat/link.png")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("loose.png", b"x")
        archive.writestr(zipfile.ZipInfo("cat/packed.png"), b"x" * 100, zipfile.ZIP_LZMA)
        archive.writestr(" cat/space.png", b"x")
        archive.writestr("cat/large.png", b"x" * 1001)
        archive.writestr("cat/good.png", b"good")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("cat/good.png", b"again")
        secret = zipfile.ZipInfo("cat/secret.png")
        archive.writestr(secret, b"x")
        secret.flag_bits |= 1
    found = left_out(path)
    assert found.pop("cat/link.png") == "a link or another special file"
    assert found.pop("loose.png") == "not in a class folder"
    assert found.pop("cat/packed.png").startswith("unsupported compression method")
    assert "space" in found.pop(" cat/space.png")
    assert found.pop("cat/large.png") == "larger than 1,000 bytes"
    assert found.pop("cat/good.png") == "duplicate name in the archive"
    assert found.pop("cat/secret.png") == "encrypted"
    assert not found
    assert [file.content for file in read_archive(path, LIMITS) if isinstance(file, Candidate)] == [b"good"]


def test_damaged_entry_is_skipped(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"cat/1": b"first" * 20, "cat/2": b"second" * 20}, compression=zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    content[content.index(b"firstfirst")] ^= 1
    path.write_bytes(content)
    assert left_out(path) == {"cat/1": "damaged in the archive"}


def test_bomb_is_rejected_before_unpacking(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(3):
            archive.writestr(f"cat/{number}", bytes(HARMLESS_BYTES // 2))
    roomy = replace(LIMITS, image_bytes=HARMLESS_BYTES)
    with pytest.raises(UnsafeArchiveError, match="over 100 times its"):
        next(read_archive(path, roomy))
    with pytest.raises(DatasetTooLargeError, match=r"at most 1,000 bytes"):
        next(read_archive(zipped(tmp_path / "b.zip", {"cat/1": b"x" * 1001}), replace(LIMITS, bytes=1000)))


def test_entry_yields_no_more_bytes_than_it_states(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"cat/1": bytes(50_000)})
    content = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        struct.pack_into("<I", content, content.index(signature) + offset, 10)
    path.write_bytes(content)
    [file] = read_archive(path, LIMITS)
    assert isinstance(file, Skipped) or len(file.content) <= 10


def test_too_many_files_are_rejected(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {f"cat/{number}": b"x" for number in range(101)})
    with pytest.raises(DatasetTooLargeError, match="at most 100 images"):
        next(read_archive(path, LIMITS))


def test_huge_central_directory_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    table = 64 * 1024 * 1024
    with path.open("wb") as file:
        file.truncate(table)
        file.seek(table)
        file.write(struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 65535, 65535, table, 0, 0))
    tracemalloc.start()
    try:
        with pytest.raises(DatasetTooLargeError):
            next(read_archive(path, LIMITS))
        assert tracemalloc.get_traced_memory()[1] < 8 * 1024 * 1024
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 and then nothing", b"PK\x05\x06" + bytes(18)])
def test_invalid_zip_is_rejected(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(content)
    if content.startswith(b"PK\x05"):
        assert list(read_archive(path, LIMITS)) == []
        return
    with pytest.raises(UnreadableArchiveError, match="not a zip file"):
        next(read_archive(path, LIMITS))


def test_truncated_or_flipped_bytes_never_crash(tmp_path: Path) -> None:
    whole = zipped(tmp_path / "a.zip", {"cat/1": b"one" * 30, "dog/2": b"two" * 30}).read_bytes()
    path = tmp_path / "b.zip"
    for position in range(len(whole)):
        for damaged in (whole[:position], whole[:position] + bytes([whole[position] ^ 0xFF]) + whole[position + 1 :]):
            path.write_bytes(damaged)
            try:
                for file in read_archive(path, LIMITS):
                    assert isinstance(file, Skipped) or file.content in (b"one" * 30, b"two" * 30)
            except (UnreadableArchiveError, UnsafeArchiveError, DatasetTooLargeError):
                continue


def test_nested_zip_is_not_opened(tmp_path: Path) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("dog/1", b"x")
    assert taken(zipped(tmp_path / "a.zip", {"cat/inner.zip": inner.getvalue()})) == {
        "cat: cat/inner.zip": inner.getvalue()
    }
