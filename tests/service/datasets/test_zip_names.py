"""Names in zip archives with and without the UTF-8 flag, as common programs write them."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from pathlib import Path

import pytest

from service.datasets.archive import read_archive
from service.datasets.files import Candidate
from service.errors import UnreadableArchiveError
from tests.service.datasets.test_archive import LIMITS, left_out


def zip_with_name(name: bytes, *, utf8_flag: bool = False, extra: bytes = b"") -> bytes:
    """A zip with one stored file, whose name is written as these bytes."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        entry = zipfile.ZipInfo("x" * len(name))
        entry.extra = extra
        archive.writestr(entry, b"image")
    content = bytearray(stream.getvalue().replace(b"x" * len(name), name) if name else stream.getvalue())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        struct.pack_into("<H", content, content.index(signature) + offset, 0x800 if utf8_flag else 0)
    return bytes(content)


def unicode_path(name: str, stored: bytes) -> bytes:
    """Extra field 0x7075 of Info-ZIP."""
    data = struct.pack("<BI", 1, zlib.crc32(stored)) + name.encode()
    return struct.pack("<HH", 0x7075, len(data)) + data


@pytest.mark.parametrize(
    ("name", "utf8_flag", "extra", "label"),
    [
        pytest.param("Gr\u00fcn/1".encode(), True, b"", "Gr\u00fcn", id="utf8-with-flag"),
        pytest.param("Gr\u00fcn/1".encode(), False, b"", "Gr\u00fcn", id="utf8-without-flag-macos"),
        pytest.param("Gru\u0308n/1".encode(), False, b"", "Gr\u00fcn", id="decomposed-without-flag-macos"),
        pytest.param("\u732b/1".encode(), False, b"", "\u732b", id="cjk-without-flag"),
        pytest.param("Gr\u00fcn/1".encode("cp437"), False, b"", "Gr\u00fcn", id="cp437-dos"),
        pytest.param(b"Gr?n/1", False, unicode_path("Gr\u00fcn/1", b"Gr?n/1"), "Gr\u00fcn", id="0x7075-info-zip"),
        pytest.param(b"Gr?n/1", False, unicode_path("Gr\u00fcn/1", b"other/1"), "Gr?n", id="0x7075-of-another-name"),
    ],
)
def test_class_name_is_decoded(tmp_path: Path, name: bytes, utf8_flag: bool, extra: bytes, label: str) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(zip_with_name(name, utf8_flag=utf8_flag, extra=extra))
    [file] = read_archive(path, LIMITS)
    assert isinstance(file, Candidate)
    assert (file.label, file.content) == (label, b"image")


def test_invalid_utf8_name_skips_only_its_file(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("Gr\u00fcn/1", b"image")
        archive.writestr("dog/2", b"image")
    path.write_bytes(path.read_bytes().replace("Gr\u00fcn/1".encode(), b"Gr\xfc\xfcn/1"))
    assert left_out(path) == {"Gr\u207f\u207fn/1": "damaged in the archive"}
    assert [file.label for file in read_archive(path, LIMITS) if isinstance(file, Candidate)] == ["dog"]


def test_entry_without_a_name_rejects_the_archive(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(zipfile.ZipInfo("\0"), b"image")
    path = tmp_path / "a.zip"
    path.write_bytes(stream.getvalue())
    with pytest.raises(UnreadableArchiveError, match="a file has no name"):
        list(read_archive(path, LIMITS))


@pytest.mark.parametrize("stray", ["pets/README.txt", "pets/cover.png", "notes.txt"])
def test_stray_file_beside_class_folders_is_skipped(tmp_path: Path, stray: str) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in (stray, "pets/cat/1.png", "pets/dog/2.png"):
            archive.writestr(name, name)
    assert list(left_out(path)) == [stray]
    assert [file.label for file in read_archive(path, LIMITS) if isinstance(file, Candidate)] == ["cat", "dog"]


def test_subfolder_of_a_class_folder_is_no_class(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("cat/1.png", "cat/2.png", "cat/more/3.png"):
            archive.writestr(name, name)
    assert not left_out(path)
    assert {file.label for file in read_archive(path, LIMITS) if isinstance(file, Candidate)} == {"cat"}
