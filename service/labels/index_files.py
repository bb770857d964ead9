"""Index files beside the segments, so that the first use of the labelling queue does not read all captured images.

One process writes them (`service.live.collector_process`), which reads every record anyway. They are not flushed to
disk: readers of an index read the records of its segment after the last row themselves.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from service.labels.index_rows import ROW, Rows, index_rows
from service.traffic.record import CapturedRequest, Location, RecordError, decode
from service.traffic.segments import FILE_MODE, INDEX_SUFFIX, read_frames, segments_folder


def read_index(segment: Path) -> Rows:
    """The complete rows of a segment's index in the order of their offsets; empty if there is none.

    Raises:
        OSError: the file cannot be read.
    """
    try:
        content = segment.with_suffix(INDEX_SUFFIX).read_bytes()
    except FileNotFoundError:
        content = b""
    return np.frombuffer(content[: len(content) // ROW.itemsize * ROW.itemsize], ROW)


class IndexWriter:
    """Writes the index files of a home. Only one may exist for a home at a time."""

    def __init__(self, home: Path) -> None:
        self._folder = segments_folder(home)
        self._written: dict[str, tuple[int, int]] = {}
        """Size of each index, and the offset of the last record in it (-1 without)."""

    def add(self, records: Iterable[CapturedRequest]) -> None:
        """Add records that were read from disk, if they are new; those of a segment come in the order of their offsets.

        Raises:
            OSError: an index cannot be written; it is repaired by a later call.
        """
        by_segment: dict[str, list[CapturedRequest]] = {}
        for record in records:
            if record.location is not None:
                by_segment.setdefault(record.location.segment, []).append(record)
        for segment, found in by_segment.items():
            self._add(segment, sorted(found, key=lambda record: record.location or Location(segment, 0)))

    def _add(self, segment: str, records: list[CapturedRequest]) -> None:
        path = self._folder / segment
        if segment not in self._written:
            self._continue(path)
        size, last = self._written[segment]
        new = [record for record in records if record.location is not None and record.location.offset > last]
        if not new:
            return
        try:
            descriptor = os.open(path.with_suffix(INDEX_SUFFIX), os.O_WRONLY | os.O_APPEND)
            try:
                if os.fstat(descriptor).st_size == size:
                    self._append(descriptor, segment, index_rows(new))
                    return
            finally:
                os.close(descriptor)
        except FileNotFoundError:
            pass
        self._rebuild(path)

    def _continue(self, path: Path) -> None:
        """Continue the index of an earlier process; a row that was cut off is removed."""
        rows = read_index(path)
        if len(rows):
            os.truncate(path.with_suffix(INDEX_SUFFIX), rows.nbytes)
        self._written[path.name] = rows.nbytes, int(rows["offset"][-1]) if len(rows) else -1

    def _rebuild(self, path: Path) -> None:
        """Write the index of a segment from the beginning: there is none, or it was removed by a deletion."""
        index = path.with_suffix(INDEX_SUFFIX)
        index.unlink(missing_ok=True)
        self._written[path.name] = 0, -1
        try:
            rows = index_rows(list(_records(path)))
        except FileNotFoundError:  # removed by the quota
            return
        descriptor = os.open(index, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, FILE_MODE)
        try:
            self._append(descriptor, path.name, rows)
        finally:
            os.close(descriptor)

    def _append(self, descriptor: int, segment: str, rows: Rows) -> None:
        size, last = self._written.pop(segment)  # read again after an error
        content = memoryview(rows.tobytes())
        written = 0
        while written < len(content):
            written += os.write(descriptor, content[written:])
        self._written[segment] = size + rows.nbytes, int(rows["offset"][-1]) if len(rows) else last


def _records(path: Path) -> Iterable[CapturedRequest]:
    for frame in read_frames(path):
        if frame.body:
            try:
                yield decode(frame.body).located(Location(path.name, frame.offset))
            except RecordError:  # of another release
                continue
