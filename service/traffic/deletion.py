"""Deletion of captured requests by request id or by time: hidden at once, then erased from the segments.

A deletion is a small file, so that all processes hide its records as soon as it exists. Maintenance erases the records
from the segments. Records may still be in the memory of a process when the deletion is made, so a round takes the
deletions that were made at least SETTLE_SECONDS earlier, and then removes their files.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from pydantic import Field, ValidationError

from core.files.durable import atomic_replace
from core.strict_model import StrictModel
from service.traffic.record import RecordError, decode_key, traffic_folder
from service.traffic.segments import FOLDER_MODE, erase, read_frames, segment_paths, segments_folder

SETTLE_SECONDS = 10.0
"""Time after which a record that was captured before a deletion is on disk."""
ERASED_WITHIN_SECONDS = 60.0
"""Stated time after which the bytes of deleted records are erased, while a process of the service runs."""
CLOCK_SECONDS = 5.0
"""Tolerated difference between the clocks of machines: later records with the same request id are hidden too."""

_NAME = re.compile(r"[0-9a-f]{32}\.json")


class Deletion(StrictModel):
    """A deletion: of one request, or of a time range; times are seconds since 1970.

    `before` is exclusive, `after` inclusive. A deletion by id covers the records until the deletion only, because a
    client may use an id again.
    """

    request_id: str | None = None
    after: float | None = None
    before: float | None = None
    made: float = Field(description="time of the deletion")

    def covers(self, request_id: str, recorded: float) -> bool:
        """True if the deletion covers a record with this request id and time."""
        if self.request_id is not None:
            return request_id == self.request_id and recorded <= self.made + CLOCK_SECONDS
        return (self.after is None or recorded >= self.after) and (self.before is None or recorded < self.before)


@dataclass(frozen=True)
class Hidden:
    """The unfinished deletions."""

    deletions: Sequence[Deletion] = ()
    _by_id: dict[str, list[Deletion]] = field(default_factory=dict)
    _by_time: list[Deletion] = field(default_factory=list)

    def __post_init__(self) -> None:
        for each in self.deletions:
            if each.request_id is None:
                self._by_time.append(each)
            else:
                self._by_id.setdefault(each.request_id, []).append(each)

    def hides(self, request_id: str, recorded: float) -> bool:
        """True if a record with this request id and time (seconds since 1970) was deleted."""
        return any(each.covers(request_id, recorded) for each in self._by_time) or any(
            each.covers(request_id, recorded) for each in self._by_id.get(request_id, ())
        )


class Erased(NamedTuple):
    """Result of a round: number of erased records, and of deletions that are finished."""

    records: int
    finished: int


class Deletions:
    """The deletions under a home; any number of processes may use them at a time."""

    def __init__(self, home: Path, *, settle_seconds: float = SETTLE_SECONDS) -> None:
        self._folder = traffic_folder(home) / "deletions"
        self._segments = segments_folder(home)
        self._settle_seconds = settle_seconds
        self._known: tuple[frozenset[str], Hidden] = (frozenset(), Hidden())

    def add(self, deletion: Deletion) -> None:
        """Make a deletion: its records are hidden from now on.

        Raises:
            OSError: the file cannot be written.
        """
        self._folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        content = deletion.model_dump_json().encode()
        atomic_replace(self._folder / f"{uuid.uuid4().hex}.json", content)

    def current(self) -> Hidden:
        """The unfinished deletions; files are read only if there are others than at the last call."""
        names = self._names()
        if names != self._known[0]:
            self._known = (names, Hidden(tuple(self._read(names).values())))
        return self._known[1]

    def erase(self, erase_labels: Callable[[Hidden], int] | None = None) -> Erased:
        """Erase the records of settled deletions from the segments, and finish these deletions. Blocks.

        Args:
            erase_labels: erases the labels of these records.

        Raises:
            OSError: a segment cannot be read or written.
        """
        newest = time.time() - self._settle_seconds
        settled = {name: each for name, each in self._read(self._names()).items() if each.made <= newest}
        if not settled:
            return Erased(0, 0)
        hidden = Hidden(tuple(settled.values()))
        records = sum(_erase_in(path, hidden) for path in segment_paths(self._segments))
        if erase_labels is not None:
            erase_labels(hidden)
        for name in settled:
            (self._folder / name).unlink(missing_ok=True)
        return Erased(records, len(settled))

    def _names(self) -> frozenset[str]:
        try:
            return frozenset(path.name for path in self._folder.iterdir() if _NAME.fullmatch(path.name))
        except FileNotFoundError:
            return frozenset()

    def _read(self, names: frozenset[str]) -> dict[str, Deletion]:
        deletions = {}
        for name in names:
            try:
                deletions[name] = Deletion.model_validate_json((self._folder / name).read_bytes())
            except (FileNotFoundError, ValidationError):  # finished meanwhile, or not ours
                continue
        return deletions


def _erase_in(path: Path, hidden: Hidden) -> int:
    """Erase the hidden records of one segment; returns their number."""
    try:
        found = [each._replace(body=b"") for each in read_frames(path) if each.body and _is_hidden(each.body, hidden)]
        if found:
            erase(path, found)
    except FileNotFoundError:  # removed by the quota
        return 0
    return len(found)


def _is_hidden(body: bytes, hidden: Hidden) -> bool:
    try:
        key = decode_key(body)
    except RecordError:
        return False
    return hidden.hides(key.request_id, key.time)
