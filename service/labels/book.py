"""Label book: the history and the current label of each captured image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from service.labels.events import LabelEvent


class LabelBook:
    """Events by record. The last label that was not undone is the current one."""

    def __init__(self) -> None:
        self._events: dict[str, list[LabelEvent]] = {}
        self._valid: dict[str, list[LabelEvent]] = {}

    def add(self, events: Iterable[LabelEvent]) -> None:
        """Add events of any records, in any order."""
        for event in events:
            history = self._events.setdefault(event.key, [])
            history.append(event)
            if len(history) > 1 and event.time < history[-2].time:
                history.sort(key=lambda each: each.time)
            self._valid.pop(event.key, None)

    def __iter__(self) -> Iterator[str]:
        """Keys of all records with events."""
        return iter(self._events)

    def history(self, key: str) -> list[LabelEvent]:
        """All events of a record in the order of time."""
        return self._events.get(key, [])

    def valid(self, key: str) -> list[LabelEvent]:
        """Labels and skips of a record that were not undone, in the order of time."""
        if key not in self._events:
            return []
        if key not in self._valid:
            left: list[LabelEvent] = []
            for event in self._events[key]:
                if event.kind == "undo":
                    _remove_last(left, event)
                else:
                    left.append(event)
            self._valid[key] = left
        return self._valid[key]

    def current(self, key: str) -> LabelEvent | None:
        """The current label of a record, None if it has none."""
        return next((event for event in reversed(self.valid(key)) if event.kind == "label"), None)

    def first_chosen(self, key: str) -> LabelEvent | None:
        """The first label that was given to the record because it was chosen at random, None if there is none."""
        return next((event for event in self.valid(key) if event.kind == "label" and event.source == "queue"), None)

    def is_done(self, key: str) -> bool:
        """True if a person has labelled the picture. A label from a client does not count: such pictures are not a
        random sample, so the queue shows them too.
        """
        return any(event.kind == "label" and event.source != "feedback" for event in self.valid(key))

    def skipped_by(self, key: str, by: str) -> bool:
        """True if this person skipped the picture."""
        return any(event.kind == "skip" and event.by == by for event in self.valid(key))


def _remove_last(events: list[LabelEvent], undo: LabelEvent) -> None:
    """Remove the last event of the person that undoes."""
    for index in range(len(events) - 1, -1, -1):
        if events[index].by == undo.by and events[index].source == undo.source:
            del events[index]
            return
