from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from core.errors import BrokerUnavailableError
from service.jobs.store.store import JobStore
from service.webhooks import outbox as module
from service.webhooks.events import Event
from service.webhooks.outbox import Outbox
from tests.support.broker import running_broker

URL = "https://hooks.example.org/geheim"


def event(key: str = "1", *, seconds_ago: float = 0.0) -> Event:
    return Event("job.failed", datetime.now(UTC) + timedelta(seconds=1 - seconds_ago), key, {"id": key})


def test_message_of_an_event_is_stored_once(outbox: Outbox) -> None:
    first = event()
    assert [outbox.add(first), outbox.add(first)] == ["added", "known"]
    message = outbox.next_due()
    assert message is not None
    assert (message.id, message.type, message.attempts) == (first.id, "job.failed", 0)
    assert message.body.encode() == first.body
    outbox.remove(message)
    assert outbox.next_due() is None
    assert outbox.add(first) == "known"  # another process sees the event later
    assert outbox.waiting() == 0


def test_new_receiver_gets_no_old_events(store: JobStore) -> None:
    outbox = Outbox(store.client, URL)
    outbox.open()
    assert outbox.add(event(seconds_ago=60)) == "old"
    outbox.open()  # in each round
    assert outbox.add(event("2")) == "added"


def test_event_older_than_a_day_is_ignored(outbox: Outbox, store: JobStore) -> None:
    store.client.set(f"duet:webhooks:{outbox.receiver}:since", 1)
    assert outbox.add(event(seconds_ago=3600)) == "added"
    assert outbox.add(event("2", seconds_ago=86_500)) == "old"


def test_full_outbox_refuses_messages(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_MESSAGES", 2)
    assert [outbox.add(event(str(number))) for number in range(3)] == ["added", "added", "full"]
    assert outbox.waiting() == 2


def test_postponed_message_is_due_later(outbox: Outbox, store: JobStore) -> None:
    outbox.add(event())
    message = outbox.next_due()
    assert message is not None
    assert outbox.postpone(message, 30)
    assert outbox.next_due() is None
    assert store.client.zadd(f"duet:webhooks:{outbox.receiver}:due", {message.id: 1}, xx=True, ch=True) == 1
    again = outbox.next_due()
    assert again is not None
    assert (again.id, again.body, again.attempts) == (message.id, message.body, 1)


def test_message_is_not_postponed_beyond_a_day(outbox: Outbox) -> None:
    outbox.add(event())
    message = outbox.next_due()
    assert message is not None
    assert not outbox.postpone(message, 86_500)
    assert outbox.waiting() == 0


def test_keys_expire_and_do_not_show_the_address(outbox: Outbox, store: JobStore) -> None:
    outbox.add(event())
    keys = [key for key in store.client.scan_iter("*") if key.startswith("duet:webhooks:")]
    assert len(keys) == 4
    assert all(0 < store.client.ttl(key) <= 2 * 86_400 for key in keys)
    assert not any("127.0.0.1" in key for key in keys)


def test_messages_survive_the_broker() -> None:
    with running_broker() as broker:
        store = JobStore.open(broker.url)
        outbox = Outbox(store.client, URL)
        outbox.open()
        outbox.add(event())
        broker.kill()
        with pytest.raises(BrokerUnavailableError):
            outbox.next_due()
        broker.restart()
        assert outbox.next_due() is not None
        store.client.close()
