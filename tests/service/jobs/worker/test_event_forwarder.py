from __future__ import annotations

from collections.abc import Sequence

import pytest

from core.errors import BrokerUnavailableError
from core.jobs.events import AddedEvent, Note, Permission, Permit, Progress, ReportedEvent, to_line
from service.jobs.store.store import JobStore
from service.jobs.worker.event_forwarder import MAX_PENDING, EventForwarder


class MemoryStore(JobStore):
    def __init__(self) -> None:
        self.away = False
        self.done: list[object] = []
        self.batches: list[str | None] = []

    def append(
        self, job_id: str, token: int, events: Sequence[ReportedEvent | AddedEvent], *, batch: str | None = None
    ) -> None:
        self.batches.append(batch)
        self._use(list(events))

    def permit(self, job_id: str, token: int, action: str) -> bool:
        self._use(action)
        return action == "checkpoint"

    def _use(self, what: object) -> None:
        if self.away:
            raise BrokerUnavailableError("away")
        self.done.append(what)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def answers() -> list[Permission]:
    return []


@pytest.fixture
def forwarder(store: MemoryStore, answers: list[Permission]) -> EventForwarder:
    return EventForwarder(store, "a", 1, answers.append)


def progress(step: int) -> Progress:
    return Progress(epoch=1, epochs=1, step=step, steps=9, loss=1.0, accuracy=0.5, seconds_left=None)


def test_flush_stores_events_before_it_answers_permits(
    forwarder: EventForwarder, store: MemoryStore, answers: list[Permission]
) -> None:
    asked = [Permit(number=1, action="checkpoint"), Permit(number=2, action="publish")]
    forwarder.receive([to_line(asked[0]), to_line(Note(text="later")), to_line(asked[1])])
    forwarder.flush()
    assert store.done == [[Note(text="later")], "checkpoint", "publish"]
    assert answers == [Permission(number=1, granted=True), Permission(number=2, granted=False)]
    assert forwarder.refused


def test_flush_after_an_outage_resends_the_same_batch(
    forwarder: EventForwarder, store: MemoryStore, answers: list[Permission]
) -> None:
    store.away = True
    forwarder.receive([to_line(Note(text="one")), to_line(Permit(number=1, action="checkpoint"))])
    with pytest.raises(BrokerUnavailableError):
        forwarder.flush()
    forwarder.receive([to_line(Note(text="two"))])
    assert answers == []
    store.away = False
    forwarder.flush()
    forwarder.flush()
    assert store.done == [[Note(text="one")], [Note(text="two")], "checkpoint"]
    assert answers == [Permission(number=1, granted=True)]
    # Events that may have been stored are resent as the same batch, which the store keeps once.
    assert store.batches[0] == store.batches[1]
    assert store.batches[1] != store.batches[2]


def test_pending_events_drop_old_progress_first(forwarder: EventForwarder, store: MemoryStore) -> None:
    for step in range(2 * MAX_PENDING):
        forwarder.add(progress(step))
    forwarder.add(Note(text="kept"))
    for step in range(10):
        forwarder.add(progress(step))
    forwarder.flush()
    (stored,) = store.done
    assert isinstance(stored, list)
    assert len(stored) <= MAX_PENDING
    assert Note(text="kept") in stored
    assert stored[-1] == progress(9)


def test_overflowing_note_keeps_the_newest_progress(forwarder: EventForwarder, store: MemoryStore) -> None:
    for step in range(MAX_PENDING):
        forwarder.add(progress(step))
    forwarder.add(Note(text="last"))
    forwarder.flush()
    assert store.done == [[progress(MAX_PENDING - 1), Note(text="last")]]


def test_pending_events_over_the_limit_drop_the_oldest(forwarder: EventForwarder, store: MemoryStore) -> None:
    for number in range(MAX_PENDING + 5):
        forwarder.add(Note(text=str(number)))
    forwarder.flush()
    (stored,) = store.done
    assert isinstance(stored, list)
    assert [stored[0], stored[-1], len(stored)] == [Note(text="5"), Note(text=str(MAX_PENDING + 4)), MAX_PENDING]
