"""Index of captured images: their place on disk and their choice for labelling, without images."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from service.labels.choice import choice_probability, is_chosen, position
from service.labels.events import key_of_record
from service.traffic.reader import TrafficReader
from service.traffic.record import CapturedRequest, Location, Origin

READ_RECORDS = 512
"""Number of records in memory at a time."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A captured image.

    Attributes:
        key: see `service.labels.events.key_of`.
        id: id of the record.
        origin: random capture or shadow trial.
        trial: id of the shadow trial.
        location: place on disk.
        probability: probability of being chosen; None in a shadow trial, whose images are not a random sample.
        chosen: True if people are to label the image; that of a shadow trial while the trial is running.
        position: in the queue, on [0, 1).
    """

    key: str
    id: str
    origin: Origin
    trial: str | None
    location: Location
    probability: float | None
    chosen: bool
    position: float


class RecordIndex:
    """Index of all captured images under a home, read incrementally. Not thread-safe."""

    def __init__(self, home: Path) -> None:
        self._reader = TrafficReader(home)
        self._entries: dict[str, Entry] = {}
        self._newest: dict[tuple[str, Origin], str] = {}
        self._segments: dict[str, list[str]] = {}

    def refresh(self) -> None:
        """Read new records, and forget those whose segments were removed. The first call reads all segments.

        Raises:
            OSError: the folder cannot be read.
        """
        while True:
            records = self._reader.read_new(limit=READ_RECORDS)
            for record in records:
                self._add(record)
            if not records:
                break
        for segment in self._segments.keys() - self._reader.position.keys():
            for key in self._segments.pop(segment):
                self._forget(key)

    def find(self, record_id: str) -> list[Entry]:
        """The newest captured image with this id, and the newest of a shadow trial."""
        origins: tuple[Origin, ...] = ("capture", "trial")
        keys = [self._newest[record_id, origin] for origin in origins if (record_id, origin) in self._newest]
        return [self._entries[key] for key in keys]

    def get(self, key: str) -> Entry | None:
        """The image with this key."""
        return self._entries.get(key)

    def chosen(self) -> Iterable[Entry]:
        """The images that people are to label."""
        return (entry for entry in self._entries.values() if entry.chosen)

    def load(self, entry: Entry) -> CapturedRequest | None:
        """The record of an entry; None, and forgotten, if it expired or was deleted."""
        record = self._reader.load(entry.location)
        if record is None or key_of_record(record) != entry.key:
            self._forget(entry.key)
            return None
        return record

    def _add(self, record: CapturedRequest) -> None:
        if record.location is None:
            return
        key = key_of_record(record)
        probability = choice_probability(record) if record.origin == "capture" else None
        self._entries[key] = Entry(
            key=key,
            id=record.id,
            origin=record.origin,
            trial=record.trial,
            location=record.location,
            probability=probability,
            chosen=probability is None or is_chosen(key, probability),
            position=position(key),
        )
        self._newest[record.id, record.origin] = key
        self._segments.setdefault(record.location.segment, []).append(key)

    def _forget(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None and self._newest.get((entry.id, entry.origin)) == key:
            del self._newest[entry.id, entry.origin]
