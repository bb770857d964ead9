"""Index of captured images: their place on disk and their choice for labelling, without images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from service.labels.events import key_of_record
from service.labels.index_files import read_index
from service.labels.index_rows import ROW, Rows, are_chosen, index_rows, key_numbers, key_text, text_digest
from service.traffic.reader import TrafficReader
from service.traffic.record import CapturedRequest, Location, Origin
from service.traffic.segments import segment_paths, segments_folder

READ_RECORDS = 512
"""Number of records in memory at a time."""
_INDEXED = np.dtype([*((name, ROW[name]) for name in ROW.names or ()), ("segment", "<u4"), ("present", "?")])


@dataclass(frozen=True, slots=True)
class Entry:
    """A captured image.

    Attributes:
        key: see `service.labels.events.key_of`.
        location: place on disk.
        probability: probability of being chosen; None in a shadow trial, whose images are not a random sample.
        chosen: True if people are to label the image.
    """

    key: str
    location: Location
    probability: float | None
    chosen: bool


class RecordIndex:
    """Index of all captured images under a home, read incrementally; about 70 bytes per image. Not thread-safe."""

    def __init__(self, home: Path) -> None:
        self._folder = segments_folder(home)
        self._reader = TrafficReader(home)
        self._rows: npt.NDArray[Any] = np.empty(0, _INDEXED)
        self._numbers: dict[str, int] = {}
        """Number of each segment."""
        self._names: list[str] = []
        self._last_listed: dict[str, int] = {}

    def refresh(self) -> None:
        """Read new records, and forget those whose segments were removed.

        The records of new segments come from the index files beside them, so that only records that are not listed
        there are read themselves.

        Raises:
            OSError: the folder cannot be read.
        """
        found: list[Rows] = []
        try:
            new = [path for path in segment_paths(self._folder) if path.name not in self._numbers]
            found.extend(map(self._listed_in, new))
            while records := self._reader.read_new(limit=READ_RECORDS):
                found.append(self._of(records))
        finally:
            if found:
                self._rows = np.concatenate([self._rows, *found])
        gone = [self._numbers.pop(name) for name in self._numbers.keys() - self._reader.position.keys()]
        if gone:
            self._rows = self._rows[~np.isin(self._rows["segment"], gone)]

    def find(self, record_id: str) -> list[Entry]:
        """The newest captured image with this id, and the newest of a shadow trial."""
        rows = self._rows[self._rows["present"] & (self._rows["id"] == text_digest(record_id))]
        found = []
        for is_trial in (False, True):
            of_origin = rows[(rows["trial"] != 0) == is_trial]
            if len(of_origin):
                found.append(self._entry(of_origin[np.argmax(of_origin["time"])]))
        return found

    def get(self, key: str) -> Entry | None:
        """The image with this key."""
        rows = self._rows[self._rows["present"] & self._with_key(key)]
        return self._entry(rows[-1]) if len(rows) else None

    def queue(self, first: Origin, trials: Iterable[str]) -> Iterator[Entry]:
        """The images that people are to label, in the order of their positions; those of one origin first.

        Args:
            first: the origin that comes first.
            trials: ids of the shadow trials whose images are asked for.
        """
        rows = self._chosen()
        rows = rows[self._are_asked(rows, trials)]
        for row in rows[np.lexsort((rows["position"], (rows["trial"] != 0) != (first == "trial")))]:
            yield self._entry(row)

    def counts(self, done: Iterable[str], trials: Iterable[str]) -> tuple[int, int]:
        """Number of images that people are to label and whose key is not in `done`, and of those whose key is.

        `trials` are those of the first number, see `queue`.
        """
        halves = np.array([key_numbers(key)[0] for key in done], np.uint64)
        rows = self._chosen()
        done_N = np.isin(rows["choice"], halves)
        return int((self._are_asked(rows, trials) & ~done_N).sum()), int(done_N.sum())

    def load(self, entry: Entry) -> CapturedRequest | None:
        """The record of an entry; None, and forgotten, if it expired or was deleted."""
        record = self._reader.load(entry.location)
        if record is None or key_of_record(record) != entry.key:
            self._rows["present"][self._with_key(entry.key)] = False
            return None
        return record

    def _listed_in(self, segment: Path) -> Rows:
        """The rows of a new segment that its index file has; reading continues at the last of them."""
        rows = read_index(segment)
        if len(rows):
            self._last_listed[segment.name] = self._reader.position[segment.name] = int(rows["offset"][-1])
        return self._numbered(rows, [segment.name] * len(rows))

    def _of(self, records: Iterable[CapturedRequest]) -> Rows:
        """The rows of records that were read, without those that the index files have."""
        new = [
            (record, record.location.segment)
            for record in records
            if record.location is not None
            and record.location.offset > self._last_listed.get(record.location.segment, -1)
        ]
        return self._numbered(index_rows([record for record, _ in new]), [segment for _, segment in new])

    def _numbered(self, rows: Rows, segments: Sequence[str]) -> npt.NDArray[Any]:
        numbered = np.empty(len(rows), _INDEXED)
        for name in ROW.names or ():
            numbered[name] = rows[name]
        numbered["segment"] = [self._number_of(segment) for segment in segments]
        numbered["present"] = True
        return numbered

    def _number_of(self, segment: str) -> int:
        if segment not in self._numbers:
            self._numbers[segment] = len(self._names)
            self._names.append(segment)
        return self._numbers[segment]

    def _with_key(self, key: str) -> npt.NDArray[np.bool_]:
        choice, position = key_numbers(key)
        found_N: npt.NDArray[np.bool_] = (self._rows["choice"] == choice) & (self._rows["position"] == position)
        return found_N

    @staticmethod
    def _are_asked(rows: Rows, trials: Iterable[str]) -> npt.NDArray[np.bool_]:
        return np.isin(rows["trial"], np.array([0, *map(text_digest, trials)], np.uint64))

    def _chosen(self) -> npt.NDArray[Any]:
        return self._rows[self._rows["present"] & are_chosen(self._rows)]

    def _entry(self, row: Any) -> Entry:
        return Entry(
            key=key_text(row),
            location=Location(self._names[row["segment"]], int(row["offset"])),
            probability=None if row["trial"] else float(row["probability"]),
            chosen=bool(are_chosen(row)),
        )
