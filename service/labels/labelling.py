"""Labelling of captured traffic: feedback of clients, the queue of pictures, and the labelled images."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from core.trials.store import TrialStore
from service.labels.book import LabelBook
from service.labels.claims import Claims
from service.labels.events import Kind, LabelEvent, LabelledAnswer, Source, key_of_record
from service.labels.files import LabelReader, LabelWriter
from service.labels.index import RecordIndex
from service.labels.observations import Observation, observations
from service.traffic.deletion import Deletions
from service.traffic.record import CapturedRequest, Origin, request_id_of

TRIAL_SHARE = 0.5
"""Probability with which a person gets a disagreement of a running shadow trial, if there is one."""


class Task(NamedTuple):
    """A picture for one person, with the token of its claim."""

    record: CapturedRequest
    key: str
    claim: str


class Counts(NamedTuple):
    """Number of chosen pictures without and with a label of a person."""

    waiting: int
    labelled: int


@dataclass(frozen=True)
class FeedbackSummary:
    """Result of feedback: numbers of labels, ids without an image, and labels that are no class of the models."""

    stored: int
    unchanged: int
    unknown: tuple[str, ...]
    new_classes: tuple[str, ...]


class LabelledImage(NamedTuple):
    """A captured image with its current label, and the time of the label in seconds since 1970."""

    record: CapturedRequest
    label: str
    time: float


class Labelling:
    """Labels of one home. All methods block and are thread-safe.

    Any number of processes may use a home: each reads what the others have written before it answers.
    """

    def __init__(self, home: Path) -> None:
        """Nothing is read or written yet."""
        self._home = home
        self._lock = threading.Lock()
        self._writer = LabelWriter(home)
        self._deletions = Deletions(home)
        self._trials = TrialStore(home)
        self._restart()

    def close(self) -> None:
        """Close the label file of this process."""
        self._writer.close()

    def feedback(self, labels: Sequence[tuple[str, str | None]], *, by: str) -> FeedbackSummary:
        """Store true classes by record id; None for "none of the classes". A label that is known is not stored again.

        Raises:
            OSError: the labels cannot be stored; none of them is.
        """
        with self._lock:
            self._refresh()
            events: dict[str, LabelEvent] = {}
            unchanged, unknown, new_classes = 0, list[str](), set[str]()
            for record_id, label in dict(labels).items():
                records = [record for entry in self._index.find(record_id) if (record := self._index.load(entry))]
                if not records:
                    unknown.append(record_id)
                    continue
                if label is not None and label not in records[0].answers[0].labels:
                    new_classes.add(label)
                changed = [record for record in records if not self._has_label(record, label)]
                unchanged += not changed
                for record in changed:
                    events[key_of_record(record)] = self._event("label", record, "feedback", by=by, label=label)
            self._store(list(events.values()))
            stored = len({event.id for event in events.values()})
        return FeedbackSummary(stored, unchanged, tuple(unknown), tuple(sorted(new_classes)))

    def next_task(self, claims: Claims, *, by: str) -> Task | None:
        """Claim the next picture for a person; None if there is none.

        Pictures come in an order that does not depend on their content, so that the labelled ones are a random sample
        of the chosen ones at any time.

        Raises:
            BrokerUnavailableError: claims cannot be made.
            OSError: the traffic cannot be read.
        """
        with self._lock:
            self._refresh()
            first: Origin = "trial" if random.random() < TRIAL_SHARE else "capture"
            for entry in self._index.queue(first, self._running_trials()):
                if self._book.is_done(entry.key) or self._book.skipped_by(entry.key, by):
                    continue
                token = claims.take(entry.key)
                if token is None:
                    continue
                record = self._index.load(entry)
                if record is not None:
                    return Task(record, entry.key, token)
                claims.release(entry.key, token)
        return None

    def find(self, key: str) -> CapturedRequest | None:
        """The record of a picture of the queue; None if it is not in the queue, or was removed.

        Raises:
            OSError: the traffic cannot be read.
        """
        with self._lock:
            self._refresh()
            entry = self._index.get(key)
            return self._index.load(entry) if entry is not None and entry.chosen else None

    def has_label(self, record: CapturedRequest, label: str | None, *, by: str) -> bool:
        """True if the person gave this label to the picture, and it is the current one."""
        with self._lock:
            event = self._book.current(key_of_record(record))
            return event is not None and (event.label, event.by, event.source) == (label, by, _source_of(record))

    def label(self, record: CapturedRequest, label: str | None, *, by: str) -> None:
        """Store the label of a person for a picture of the queue; None for "none of the classes".

        Raises:
            OSError: it cannot be stored.
        """
        self._act("label", record, by=by, label=label)

    def skip(self, record: CapturedRequest, *, by: str) -> None:
        """Do not show a picture to this person again. Raises as `label`."""
        self._act("skip", record, by=by)

    def undo(self, record: CapturedRequest, *, by: str) -> bool:
        """Undo the last label or skip of this person for a picture; False if there is none. Raises as `label`."""
        source = _source_of(record)
        with self._lock:
            self._refresh()
            valid = self._book.valid(key_of_record(record))
            if not any(event.by == by and event.source == source for event in valid):
                return False
            self._store([self._event("undo", record, source, by=by)])
            return True

    def current(self, record: CapturedRequest) -> LabelEvent | None:
        """The current label of a record, None if it has none."""
        with self._lock:
            return self._book.current(key_of_record(record))

    def counts(self) -> Counts:
        """Numbers of chosen pictures that are still stored. Raises as `find`."""
        with self._lock:
            self._refresh()
            done = (key for key in self._book if self._book.is_done(key))
            return Counts(*self._index.counts(done, self._running_trials()))

    def observations(self) -> list[Observation]:
        """Labelled pictures that were chosen at random, in the order of their labels. Raises as `find`."""
        with self._lock:
            self._refresh()
            return observations(self._book, self._deletions.current())

    def other_labels(self) -> int:
        """Number of images that have labels from clients or shadow trials only."""
        with self._lock:
            return sum(
                self._book.current(key) is not None and self._book.first_chosen(key) is None for key in self._book
            )

    def export(self, *, history: bool) -> list[tuple[LabelEvent, bool]]:
        """Current labels, or all events, in the order of time, each with whether it is the current label."""
        with self._lock:
            self._refresh()
            hidden = self._deletions.current()
            found = []
            for key in self._book:
                current = self._book.current(key)
                for event in self._book.history(key):
                    is_hidden = hidden.hides(request_id_of(event.id), event.recorded)
                    if not is_hidden and (history or event is current):
                        found.append((event, event is current))
        return sorted(found, key=lambda pair: pair[0].time)

    def labelled_images(self) -> Iterator[LabelledImage]:
        """All stored images whose current label is a class, in the order of the labels. Raises as `find`."""
        with self._lock:
            self._refresh()
            current = [event for key in self._book if (event := self._book.current(key)) is not None]
        for event in sorted(current, key=lambda each: each.time):
            if event.label is None:
                continue
            with self._lock:
                entry = self._index.get(event.key)
                record = self._index.load(entry) if entry is not None else None
            if record is not None:
                yield LabelledImage(record, event.label, event.time)

    def _running_trials(self) -> list[str]:
        return [trial.id for trial in self._trials.running()]

    def _restart(self) -> None:
        self._reader = LabelReader(self._home)
        self._book = LabelBook()
        self._index = RecordIndex(self._home)

    def _refresh(self) -> None:
        if self._reader.was_erased():
            self._restart()
        self._book.add(self._reader.read_new())
        self._index.refresh()

    def _has_label(self, record: CapturedRequest, label: str | None) -> bool:
        current = self._book.current(key_of_record(record))
        return current is not None and current.label == label

    def _act(self, kind: Kind, record: CapturedRequest, *, by: str, label: str | None = None) -> None:
        with self._lock:
            self._refresh()
            self._store([self._event(kind, record, _source_of(record), by=by, label=label)])

    def _event(
        self, kind: Kind, record: CapturedRequest, source: Source, *, by: str, label: str | None = None
    ) -> LabelEvent:
        key = key_of_record(record)
        history = self._book.history(key)
        # An event that answers another one must be later, even if the clocks of two machines differ.
        now = max(time.time(), history[-1].time + 1e-6 if history else 0.0)
        entry = self._index.get(key)
        return LabelEvent(
            kind=kind,
            id=record.id,
            recorded=record.time.timestamp(),
            origin=record.origin,
            trial=record.trial,
            label=label,
            source=source,
            by=by,
            time=now,
            probability=entry.probability if entry is not None and source == "queue" else None,
            capture_probability=record.inclusion_probability,
            answers=tuple(map(LabelledAnswer.of, record.answers)),
        )

    def _store(self, events: Sequence[LabelEvent]) -> None:
        if events:
            self._writer.append(events)
            self._book.add(self._reader.read_new())


def _source_of(record: CapturedRequest) -> Source:
    sources: Mapping[str, Source] = {"capture": "queue", "trial": "trial"}
    return sources[record.origin]
