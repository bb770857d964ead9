"""Files of a home: which of them a backup contains, and the ends of those that are being appended to."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from core.files.home_lock import RESTORING_NAME, RUNNING_NAME
from core.images.labelled_folders import DATASETS_NAME, RESERVED_NAMES
from core.repository.publishing import STAGING_NAME
from core.repository.repository import MODELS_NAME
from service.broker.address import BROKER_NAME
from service.datasets.staging import UPLOADS_NAME
from service.traffic.segments import SUFFIX as SEGMENT_SUFFIX
from service.traffic.segments import read_frames

CACHE_NAME = "cache"
_REMOVED_PREFIX = ".removed-"
_UNPACKING_PREFIX = ".unpacking-"
_DOWNLOAD_SUFFIX = ".part"
"""Folder and file of an unfinished download, see `training/data/download.py`."""
_TEMPORARY = re.compile(r"\..+\.\d+\.tmp|\.(api_key|session_secret)\..+")
"""Files that `core.files.durable.atomic_replace` and the generated secrets have not renamed yet."""
_APPENDED_LINES = (".jsonl", ".partial", ".journal")
_APPENDED_TEXT = (".txt", ".log")
_BLOCK = 64 * 1024


class Listing(NamedTuple):
    """Content of a folder of the home; paths are relative to the home.

    Attributes:
        files: regular files that belong into a backup.
        folders: folders, also empty ones.
        links: symbolic links, which are not followed.
    """

    files: list[str]
    folders: list[str]
    links: list[str]


def list_home(home: Path, *, only: str | None = None, without: tuple[str, ...] = ()) -> Listing:
    """List the files of a home that belong into a backup, sorted.

    Args:
        home: the home.
        only: a folder of the home to which the listing is restricted; it may not exist.
        without: folders of the home that are left out.

    Raises:
        OSError: a folder cannot be read.
    """
    listing = Listing([], [], [])
    start = home if only is None else home / only
    if only is not None and start.is_dir():
        listing.folders.append(only)
    for path, kind in _walk(home, start, without):
        {stat.S_IFREG: listing.files, stat.S_IFDIR: listing.folders, stat.S_IFLNK: listing.links}[kind].append(path)
    for each in listing:
        each.sort()
    return listing


def appended_end(home: Path, name: str, size: int) -> int | None:
    """End of the last complete record of a file that a process may be appending to; None for all other files.

    Versions, data sets and their journals are not cut: a backup reads them under the locks of their writers.

    Args:
        home: the home.
        name: path of the file relative to the home.
        size: its size in bytes.

    Raises:
        OSError: the file cannot be read.
    """
    path = PurePosixPath(name)
    if path.parts[0] in (MODELS_NAME, DATASETS_NAME):
        return None
    if path.suffix == SEGMENT_SUFFIX:
        return max((frame.end for frame in read_frames(home / name) if frame.end <= size), default=0)
    if path.suffix in _APPENDED_LINES:
        return _end_of_lines(home / name, size)
    return size if path.suffix in _APPENDED_TEXT else None


def is_leftover(path: PurePosixPath) -> bool:
    """Return whether a path relative to the home is a file or a folder of unfinished work; see also `is_skipped`."""
    parts, name = path.parts, path.name
    if _TEMPORARY.fullmatch(name):
        return True
    match parts:
        case (top, _, last) if top == MODELS_NAME and (last == STAGING_NAME or last.startswith(_REMOVED_PREFIX)):
            return True
        case (top, last) if top == DATASETS_NAME and (last == UPLOADS_NAME or last.startswith(_REMOVED_PREFIX)):
            return True
        case (top, built_in, last) if top == DATASETS_NAME and built_in in RESERVED_NAMES:
            return last.startswith(_UNPACKING_PREFIX) or last.endswith(_DOWNLOAD_SUFFIX)
    return False


def is_skipped(path: PurePosixPath) -> bool:
    """Return whether a backup leaves out a path relative to the home: locks, caches, leftovers, the broker's files.

    `service.home.broker_files` copies the broker's append-only files.
    """
    if path.as_posix() in (CACHE_NAME, BROKER_NAME, RUNNING_NAME, RESTORING_NAME, "lost+found"):
        return True
    return path.name == ".lock" or path.suffix == ".lock" or is_leftover(path)


def _walk(home: Path, folder: Path, without: tuple[str, ...]) -> Iterator[tuple[str, int]]:
    """Paths below `folder` with their kind; entries that disappear meanwhile are left out."""
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        path = Path(entry.path).relative_to(home).as_posix()
        if path in without or is_skipped(PurePosixPath(path)):
            continue
        try:
            kind = stat.S_IFMT(entry.stat(follow_symlinks=False).st_mode)
        except FileNotFoundError:
            continue
        if kind in (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK):
            yield path, kind
        elif kind != stat.S_IFSOCK:
            raise OSError(errno.EINVAL, "not a regular file", entry.path)
        if kind == stat.S_IFDIR:
            yield from _walk(home, Path(entry.path), without)


def _end_of_lines(path: Path, size: int) -> int:
    """End of the last complete line within the first `size` bytes."""
    with path.open("rb") as stream:
        while size > 0:
            start = max(0, size - _BLOCK)
            stream.seek(start)
            found = stream.read(size - start).rfind(b"\n")
            if found >= 0:
                return start + found + 1
            size = start
    return 0
