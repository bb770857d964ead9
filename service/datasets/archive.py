"""Reader of untrusted zip archives with one folder of images per class.

Nothing is extracted under a name from the archive: contents are returned as bytes, and labels are validated by
`core.images.labelled_folders`. Limits protect memory and time: size of the central directory, unpacked bytes, and
compression methods.
"""

from __future__ import annotations

import io
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from core.images.class_labels import label_problem, normalized_label
from core.images.folder_layouts import Part, is_ignored, parts_of_names
from service.datasets.files import Candidate, Limits, Skipped, too_large
from service.datasets.zip_names import decode_name, with_hidden_utf8_flags
from service.errors import DatasetTooLargeError, UnreadableArchiveError, UnsafeArchiveError

MAX_RATIO = 100
"""Maximum ratio of unpacked to packed size above HARMLESS_BYTES; images are already compressed."""
HARMLESS_BYTES = 64 * 1024 * 1024
"""Contents up to this size may have any ratio: small images of one color compress well."""
ENTRY_BYTES = 256
"""Limit of the central directory per file: a multiple of 46 bytes and a name."""
_MIN_DIRECTORY_BYTES = 1024 * 1024

_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_ENCRYPTED = 0x1
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, OverflowError, RuntimeError, struct.error)
_OTHER_ARCHIVES = (
    (0, b"\x1f\x8b", "application/gzip"),
    (0, b"BZh", "application/x-bzip2"),
    (0, b"\xfd7zXZ\x00", "application/x-xz"),
    (0, b"\x28\xb5\x2f\xfd", "application/zstd"),
    (0, b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (0, b"Rar!\x1a\x07", "application/vnd.rar"),
    (257, b"ustar", "application/x-tar"),
)
"""Offset, signature and media type of archives that are rejected as unsupported instead of as damaged images."""


def other_archive(path: Path) -> str | None:
    """Media type of an archive that is not a zip; None for other files."""
    with path.open("rb") as stream:
        start = stream.read(512)
    return next((kind for offset, signature, kind in _OTHER_ARCHIVES if start.startswith(signature, offset)), None)


def read_archive(path: Path, limits: Limits) -> Iterator[Candidate | Skipped]:
    """Yield the files of the zip at `path` in order; a single folder around all class folders is skipped.

    Files beside the class folders are skipped too, such as a README or a picture. Folders `train`, `val` and `test`
    with class folders give the parts of their images.

    Raises:
        UnreadableArchiveError: it is not a zip file, or a file has no name.
        UnsafeArchiveError: a path leads out of the archive, or the compression ratio is too high.
        DatasetTooLargeError: it contains more files or bytes than allowed.
    """
    with path.open("rb") as file:
        archive = _open(file, limits)
        entries = archive.infolist()
        for entry in entries:
            decode_name(entry)
            _refuse_unsafe(entry.filename)
        entries = [entry for entry in entries if not entry.filename.endswith("/")]
        entries = [entry for entry in entries if not _is_ignored(entry.filename)]
        _refuse_bomb(entries, path.stat().st_size, limits)
        depth = _depth_of_classes(entries)
        parts = _parts(entries, depth)
        seen: set[str] = set()
        for entry in entries:
            yield _read(archive, entry, depth, parts, seen, limits)
            seen.add(entry.filename)


class _Bounded(io.BufferedReader):
    """A file with a limit of bytes per read, because `zipfile` reads the central directory at once.

    The UTF-8 flags of the central directory are hidden, see `with_hidden_utf8_flags`.
    """

    max_bytes: int | None = None

    def read(self, size: int | None = -1, /) -> bytes:
        if self.max_bytes is not None and size is not None and size > self.max_bytes:
            raise _DirectoryTooLargeError
        content = super().read(size)
        return with_hidden_utf8_flags(content) if self.max_bytes is not None else content


class _DirectoryTooLargeError(Exception):
    """The central directory exceeds its limit."""


def _open(file: BinaryIO, limits: Limits) -> zipfile.ZipFile:
    bounded = _Bounded(io.FileIO(file.fileno(), closefd=False))
    bounded.max_bytes = max(limits.images * ENTRY_BYTES, _MIN_DIRECTORY_BYTES)
    try:
        archive = zipfile.ZipFile(bounded)
        bounded.max_bytes = None
        return archive
    except _DirectoryTooLargeError:
        raise DatasetTooLargeError("images", limits.images) from None
    except _DAMAGE as error:
        raise UnreadableArchiveError(str(error)) from error


def _refuse_unsafe(name: str) -> None:
    if not name:
        raise UnreadableArchiveError("a file has no name")
    parts = name.split("/")
    if "\\" in name or name.startswith("/") or ".." in parts or re.match(r"[A-Za-z]:", name):
        raise UnsafeArchiveError(
            f"{name[:200]!r} leads out of the archive or contains a backslash: zip class folders whose paths use / and "
            "contain no .. and no drive letter"
        )


def _refuse_bomb(entries: list[zipfile.ZipInfo], packed: int, limits: Limits) -> None:
    if len(entries) > limits.images:
        raise DatasetTooLargeError("images", limits.images)
    # file_size is reliable: `zipfile` reads no more bytes of a file than its entry states.
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > max(MAX_RATIO * packed, HARMLESS_BYTES):
        raise UnsafeArchiveError(
            f"the archive would unpack to {unpacked:,} bytes, over {MAX_RATIO} times its {packed:,}: zip only images"
        )
    if unpacked > limits.bytes:
        raise DatasetTooLargeError("bytes", limits.bytes)


def _is_ignored(name: str) -> bool:
    return any(part != "." and is_ignored(part) for part in name.split("/"))


def _depth_of_classes(entries: list[zipfile.ZipInfo]) -> int:
    """1 if one folder contains all class folders, else 0."""
    parts = [PurePosixPath(entry.filename).parts for entry in entries]
    folders = {part[0] for part in parts if len(part) > 1}
    in_subfolders = sum(len(part) > 2 for part in parts)
    # Most files of a class folder lie directly in it; those of a wrapper lie in its subfolders.
    return int(len(folders) == 1 and in_subfolders >= sum(len(part) == 2 for part in parts))


def _parts(entries: list[zipfile.ZipInfo], depth: int) -> dict[str, Part]:
    """Part of each folder at `depth`; empty unless all are parts of class folders, see `core.images.folder_layouts`."""
    inside = [PurePosixPath(entry.filename).parts[depth:] for entry in entries]
    if any(len(names) == 2 for names in inside):
        return {}
    return parts_of_names({names[0] for names in inside if len(names) > 1})


def _read(
    archive: zipfile.ZipFile,
    entry: zipfile.ZipInfo,
    depth: int,
    parts: dict[str, Part],
    seen: set[str],
    limits: Limits,
) -> Candidate | Skipped:
    name = entry.filename
    inside = PurePosixPath(name).parts[depth:]
    if len(inside) < 2 + bool(parts):
        return Skipped(name, "not in a class folder")
    label = normalized_label(inside[bool(parts)])
    problem = label_problem(label) or _entry_problem(entry, seen, limits)
    if problem is not None:
        return Skipped(name, problem)
    with suppress(*_DAMAGE), archive.open(entry) as stream:
        return Candidate(name, label, stream.read(limits.image_bytes + 1), parts.get(inside[0]))
    return Skipped(name, "damaged in the archive")


def _entry_problem(entry: zipfile.ZipInfo, seen: set[str], limits: Limits) -> str | None:
    mode = entry.external_attr >> 16
    if entry.filename in seen:
        return "duplicate name in the archive"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        return "a link or another special file"
    if entry.flag_bits & _ENCRYPTED:
        return "encrypted"
    if entry.compress_type not in _METHODS:
        return "unsupported compression method: zip again with deflate, the default"
    if entry.file_size > limits.image_bytes:
        return too_large(limits.image_bytes)
    return None
