"""Size of all data sets on disk; a data set is counted again only if one of its folders has changed."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from core.images.labelled_folders import dataset_folder, dataset_names

RECOUNT_SECONDS = 3600.0
"""Time after which a data set is counted again, because overwriting a file in place changes no folder."""


class _Counted(NamedTuple):
    """Size of a data set in bytes, and the time of change of each of its folders in ns."""

    at: float
    bytes: int
    changed_ns: dict[str, int]


class DatasetUsage:
    """Counts the data sets of a home. Used from one thread."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._counted: dict[str, _Counted] = {}

    def measure(self) -> tuple[int, int]:
        """Number of data sets, and their size in bytes: all regular files below their folders, links not followed.

        Raises:
            OSError: a folder cannot be read.
        """
        before, self._counted = self._counted, {}
        for name in dataset_names(self._home):
            known = before.get(name)
            if known is None or time.monotonic() - known.at > RECOUNT_SECONDS or _has_changed(known):
                known = _count(dataset_folder(self._home, name))
            self._counted[name] = known
        return len(self._counted), sum(counted.bytes for counted in self._counted.values())


def _has_changed(known: _Counted) -> bool:
    try:
        return any(Path(path).stat().st_mtime_ns != changed for path, changed in known.changed_ns.items())
    except FileNotFoundError:
        return True


def _count(root: Path) -> _Counted:
    changed_ns: dict[str, int] = {}
    total = sum(_file_sizes(str(root), changed_ns))
    return _Counted(time.monotonic(), total, changed_ns)


def _file_sizes(root: str, changed_ns: dict[str, int]) -> Iterator[int]:
    """Size of each file below `root`; the folders are added to `changed_ns`. What vanishes meanwhile is left out."""
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        try:
            changed_ns[folder] = Path(folder).stat().st_mtime_ns
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    elif entry.is_file(follow_symlinks=False):
                        yield entry.stat(follow_symlinks=False).st_size
        except FileNotFoundError:
            continue
