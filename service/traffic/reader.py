"""Reader of captured requests: all processes' segments, incrementally and in the order of time."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path

from service.traffic.deletion import Deletions
from service.traffic.record import CapturedRequest, Location, RecordError, decode
from service.traffic.segments import read_frame, read_frames, segment_paths, segments_folder

log = logging.getLogger("duet.traffic")
BATCH_RECORDS = 4096
"""Number of records after which `read_new` returns, so that few pictures are in memory."""


class TrafficReader:
    """Reads the captured requests under a home. Each reader has its own position; not thread-safe.

    Attributes:
        position: offset of the next frame in each segment.
    """

    def __init__(self, home: Path) -> None:
        """`home` may have no captured traffic yet."""
        self._folder = segments_folder(home)
        self._deletions = Deletions(home)
        self.position: dict[str, int] = {}

    def read_new(self, *, limit: int = BATCH_RECORDS) -> list[CapturedRequest]:
        """The records written since the last call, without deleted ones, in the order of time; empty if there are none.

        Records of several processes are sorted within one call only, because a process may write up to a second later
        than another. Call again until the result is empty to read everything.

        Args:
            limit: number of records after which the call returns early.

        Raises:
            OSError: the folder cannot be read.
        """
        hidden = self._deletions.current()
        paths = segment_paths(self._folder)
        names = {path.name for path in paths}
        self.position = {name: offset for name, offset in self.position.items() if name in names}
        records: list[CapturedRequest] = []
        for path in paths:
            try:
                for each in read_frames(path, self.position.get(path.name, 0)):
                    self.position[path.name] = each.end
                    record = _decoded(each.body, Location(path.name, each.offset))
                    if record is not None and not hidden.hides(record.request_id, record.time.timestamp()):
                        records.append(record)
                    if len(records) >= limit:
                        return sorted(records, key=attrgetter("time"))
            except FileNotFoundError:
                continue  # removed by the quota
        return sorted(records, key=attrgetter("time"))

    def read_all(self) -> Iterator[CapturedRequest]:
        """All records from the current position on, one after the other."""
        while records := self.read_new():
            yield from records

    def load(self, location: Location) -> CapturedRequest | None:
        """The record at a location; None if it was deleted since."""
        record = _decoded(read_frame(self._folder / location.segment, location.offset), location)
        if record is None or self._deletions.current().hides(record.request_id, record.time.timestamp()):
            return None
        return record


def _decoded(body: bytes, location: Location) -> CapturedRequest | None:
    if not body:
        return None
    try:
        return decode(body).located(location)
    except RecordError as error:
        log.warning("skipping a record of captured traffic: %s", error, extra={"segment": location.segment})
        return None
