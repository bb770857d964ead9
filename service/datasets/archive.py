"""Reads a zip of class folders that a stranger may have made.

Nothing is ever extracted under a name from the archive: contents come out as bytes, and labels as names of one folder
that `core.images.labelled_folders` has checked. What is left to guard is memory and time: the size of the table of
contents, the bytes that unpacking gives, and methods of compression that ask for memory of their own.
"""

from __future__ import annotations

import io
import re
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from core.images.labelled_folders import label_problem
from service.datasets.files import Candidate, Skipped, too_large
from service.datasets.limits import Limits
from service.errors import DatasetTooLargeError, UnreadableArchiveError, UnsafeArchiveError

MAX_RATIO = 100
"""How much larger than the archive its contents may be, where they are large: images are compressed already."""
HARMLESS_BYTES = 64 * 1024 * 1024
"""Contents up to this may have any ratio: small images of one color compress well."""
ENTRY_BYTES = 256
"""Room in the table of contents for one file: 46 bytes and its name, some times over."""
_MIN_TABLE_BYTES = 1024 * 1024

_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_ENCRYPTED = 0x1
_LITTER = frozenset({"__MACOSX", "Thumbs.db", "desktop.ini"})
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, OverflowError, RuntimeError, struct.error)


def read_archive(path: Path, limits: Limits) -> Iterator[Candidate | Skipped]:
    """The files of the zip at `path`, in its order; one folder around all the class folders is looked through.

    Raises:
        UnreadableArchiveError: it is no zip file.
        UnsafeArchiveError: names lead out of it, or it would unpack to far more than it is.
        DatasetTooLargeError: it holds more files or bytes than a data set may.
    """
    with path.open("rb") as file:
        archive = _opened(file, limits)
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
        for entry in entries:
            _refuse_unsafe(entry.filename)
        entries = [entry for entry in entries if not _is_litter(entry.filename)]
        _refuse_bomb(entries, path.stat().st_size, limits)
        depth = _depth_of_classes(entries)
        seen: set[str] = set()
        for entry in entries:
            yield _read(archive, entry, depth, seen, limits)
            seen.add(entry.filename)


class _Bounded(io.BufferedReader):
    """A file of which no more than `most` bytes are read at once: `zipfile` reads the table of contents whole."""

    most: int | None = None

    def read(self, size: int | None = -1, /) -> bytes:
        if self.most is not None and size is not None and size > self.most:
            raise _TableTooLargeError
        return super().read(size)


class _TableTooLargeError(Exception):
    """The table of contents is larger than that of any archive within the limits."""


def _opened(file: BinaryIO, limits: Limits) -> zipfile.ZipFile:
    bounded = _Bounded(io.FileIO(file.fileno(), closefd=False))
    bounded.most = max(limits.images * ENTRY_BYTES, _MIN_TABLE_BYTES)
    try:
        archive = zipfile.ZipFile(bounded)
        bounded.most = None
        return archive
    except _TableTooLargeError:
        raise DatasetTooLargeError("images", limits.images) from None
    except _DAMAGE as error:
        raise UnreadableArchiveError(str(error)) from error


def _refuse_unsafe(name: str) -> None:
    parts = name.split("/")
    if "\\" in name or name.startswith("/") or ".." in parts or re.match(r"[A-Za-z]:", name):
        raise UnsafeArchiveError(
            f"{name[:200]!r} leads out of the archive, or has a backslash: pack folders of classes, with / between a "
            "folder and its files and without .. or a drive in their names"
        )


def _refuse_bomb(entries: list[zipfile.ZipInfo], packed: int, limits: Limits) -> None:
    if len(entries) > limits.images:
        raise DatasetTooLargeError("images", limits.images)
    # What is said here holds: `zipfile` gives no more bytes of a file than its entry says.
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > max(MAX_RATIO * packed, HARMLESS_BYTES):
        raise UnsafeArchiveError(
            f"it would unpack to {unpacked:,} bytes, over {MAX_RATIO} times its {packed:,}: send images as they are"
        )
    if unpacked > limits.bytes:
        raise DatasetTooLargeError("bytes", limits.bytes)


def _is_litter(name: str) -> bool:
    parts = name.split("/")
    return parts[0] in _LITTER or parts[-1] in _LITTER or any(part.startswith(".") and part != "." for part in parts)


def _depth_of_classes(entries: list[zipfile.ZipInfo]) -> int:
    """1 where one folder holds all class folders, else 0."""
    parts = [PurePosixPath(entry.filename).parts for entry in entries]
    wrapped = len({part[0] for part in parts if part}) == 1 and all(len(part) > 2 for part in parts)
    return int(wrapped)


def _read(
    archive: zipfile.ZipFile, entry: zipfile.ZipInfo, depth: int, seen: set[str], limits: Limits
) -> Candidate | Skipped:
    name = entry.filename
    parts = PurePosixPath(name).parts[depth:]
    if len(parts) != 2:
        return Skipped(name, "not in the folder of a class" if len(parts) < 2 else "in a folder within that of a class")
    label = unicodedata.normalize("NFC", parts[0])
    problem = label_problem(label) or _entry_problem(entry, seen, limits)
    if problem is not None:
        return Skipped(name, problem)
    with suppress(*_DAMAGE), archive.open(entry) as stream:
        return Candidate(name, label, stream.read(limits.image_bytes + 1))
    return Skipped(name, "damaged within the archive")


def _entry_problem(entry: zipfile.ZipInfo, seen: set[str], limits: Limits) -> str | None:
    mode = entry.external_attr >> 16
    if entry.filename in seen:
        return "named twice in the archive"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        return "a link or another special file"
    if entry.flag_bits & _ENCRYPTED:
        return "encrypted"
    if entry.compress_type not in _METHODS:
        return "packed by a method that is not read here: pack again with deflate, the usual one"
    if entry.file_size > limits.image_bytes:
        return too_large(limits.image_bytes)
    return None
