"""Cache of the descriptions of data sets, which anyone may read: listing 50,000 files takes a second of CPU time."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import NamedTuple

from core.images.edit_journal import JOURNAL_NAME
from core.images.labelled_folders import LabelledFolder, dataset_folder, read_folder
from core.schemas.datasets import DatasetDetail, detail

MAX_AGE_SECONDS = 60.0
"""Time after which a description is renewed, because overwriting a file in place changes no folder."""
SETTLED_NS = 1_000_000_000
"""Minimum age of a folder's last change for a description to be kept: a later change could have the same time."""

MAX_KEPT = 1_000
"""Maximum number of descriptions that are kept."""

Stamp = tuple[tuple[str, int], ...]
"""Name and time of change, in ns, of the folder of a data set, of each folder in it, and of its journal of edits."""


class _Known(NamedTuple):
    stamp: Stamp
    made_at: float
    described: DatasetDetail


class _Listed(NamedTuple):
    stamp: Stamp
    made_at: float
    folder: LabelledFolder


class DatasetListings:
    """Lists and describes data sets, one at a time in this process; safe to call from any thread."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._lock = threading.Lock()
        self._known: dict[str, _Known] = {}
        self._latest: _Listed | None = None

    def describe(self, name: str) -> DatasetDetail:
        """Describe a data set; changed folders are listed again.

        Raises:
            DataError: the name is not valid, or the folder cannot be read.
            UnknownDatasetError: there is no such data set.
        """
        folder = dataset_folder(self._home, name)
        with self._lock:
            stamp, known = _stamp(folder), self._known.pop(name, None)
            if known is None or known.stamp != stamp or time.monotonic() - known.made_at > MAX_AGE_SECONDS:
                known = _Known(stamp, time.monotonic(), detail(read_folder(self._home, name)))
            if time.time_ns() - max((changed for _, changed in stamp), default=0) > SETTLED_NS:
                self._known[name] = known
                if len(self._known) > MAX_KEPT:
                    del self._known[next(iter(self._known))]  # the one not asked for the longest
            return known.described

    def folder(self, name: str) -> LabelledFolder:
        """List a data set; the latest listing is kept, so that the pages of a long list need only one.

        Raises:
            DataError, UnknownDatasetError: as `describe`.
        """
        folder = dataset_folder(self._home, name)
        with self._lock:
            stamp, latest = _stamp(folder), self._latest
            if (
                latest is None
                or (latest.folder.name, latest.stamp) != (name, stamp)
                or time.monotonic() - latest.made_at > MAX_AGE_SECONDS
            ):
                latest = _Listed(stamp, time.monotonic(), read_folder(self._home, name))
            settled = time.time_ns() - max((changed for _, changed in stamp), default=0) > SETTLED_NS
            self._latest = latest if settled else None
            return latest.folder


def _stamp(folder: Path) -> Stamp:
    """Empty if the folder is missing or cannot be read; `read_folder` raises the error."""
    try:
        inner = [path for path in folder.iterdir() if path.is_dir()]
        journal = [path for path in (folder / JOURNAL_NAME,) if path.exists()]
        return tuple((path.name, path.stat().st_mtime_ns) for path in (folder, *sorted(inner), *journal))
    except OSError:
        return ()
