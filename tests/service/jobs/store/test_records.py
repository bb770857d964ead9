from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import TypeAdapter, ValidationError

from core.jobs.events import FIRST, Note
from service.jobs.store.records import EventId, event_order, stored_event
from service.jobs.store.store import JobStore
from tests.support.jobs import entries, notes, running


def test_stored_event_has_time_attempt_and_token(store: JobStore) -> None:
    claim = running(store)
    store.append(claim.record.id, claim.token, notes("hello"))
    events = [stored_event(event_id, fields) for event_id, fields in entries(store, claim.record.id)]
    assert [(event.attempt, event.token) for event in events] == [(0, None), (1, claim.token), (1, claim.token)]
    assert events[-1].event == Note(text="hello")
    assert events[-1].id == store.get(claim.record.id).events
    assert all(abs((event.at - datetime.now(UTC)).total_seconds()) < 60 for event in events)


def test_event_order_is_the_order_of_the_stream() -> None:
    shuffled = ["100-10", "99-0", FIRST, "100-2", "5-1", "100-0"]
    ids = sorted(shuffled, key=event_order)
    assert ids == [FIRST, "5-1", "99-0", "100-0", "100-2", "100-10"]
    assert sorted(ids) != ids
    assert TypeAdapter(list[EventId]).validate_python(ids) == ids


@pytest.mark.parametrize("text", ["", "-", "1-", "-1", "$", "+", "1-1-1", "x"])
def test_other_texts_are_not_event_ids(text: str) -> None:
    with pytest.raises(ValidationError, match="such as 1767323111000-0"):
        TypeAdapter(EventId).validate_python(text)
