from __future__ import annotations

import re
from datetime import UTC, datetime

from core.jobs.events import FIRST, Note
from service.jobs.store.records import EVENT_ID_PATTERN, event_order, stored_event
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
    assert all(re.match(EVENT_ID_PATTERN, event_id) for event_id in ids)
    assert not any(re.match(EVENT_ID_PATTERN, text) for text in ("", "-", "1-", "-1", "$", "+", "1-1-1", "x"))
