from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from service.jobs.maintenance.reaper import leader
from service.jobs.store.store import JobStore
from service.security.webhook_settings import parse_signing_secrets
from service.webhooks.delivery import DELAYS_SECONDS, IDLE_SECONDS, PAUSE_SECONDS, Delivery, delay_seconds
from service.webhooks.events import Event
from service.webhooks.outbox import Outbox
from service.webhooks.sender import Sender
from tests.support.receivers import SECRET, Receiver

SECRETS = parse_signing_secrets(SECRET)
Deliver = Callable[[], Delivery]


@pytest.fixture
def outcomes() -> list[str]:
    return []


@pytest.fixture
def delivery(store: JobStore, outbox: Outbox, shop: Receiver, outcomes: list[str]) -> Delivery:
    return Delivery(store.client, outbox, Sender(shop.url, SECRETS, private=True), outcomes.append)


def add(outbox: Outbox, key: str = "1") -> Event:
    event = Event("job.failed", datetime.now(UTC) + timedelta(seconds=1), key, {"id": key})
    assert outbox.add(event) == "added"
    return event


def make_due(store: JobStore, outbox: Outbox, event: Event) -> None:
    """Set the time of the next attempt into the past."""
    assert store.client.zadd(f"duet:webhooks:{outbox.receiver}:due", {event.id: 1}, xx=True, ch=True) == 1


def test_waiting_messages_are_delivered_one_by_one(
    delivery: Delivery, outbox: Outbox, shop: Receiver, outcomes: list[str]
) -> None:
    assert delivery.run_once() == IDLE_SECONDS
    events = [add(outbox, str(number)) for number in range(3)]
    assert [delivery.run_once() for _ in range(4)] == [0.0, 0.0, 0.0, IDLE_SECONDS]
    assert sorted(received.id for received in shop.received) == sorted(event.id for event in events)
    assert outcomes == ["delivered"] * 3
    assert outbox.waiting() == 0


def test_failed_message_is_tried_again_with_the_same_id(
    delivery: Delivery,
    outbox: Outbox,
    shop: Receiver,
    store: JobStore,
    outcomes: list[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, logger="duet.webhooks")
    shop.statuses = [503, 503]
    event = add(outbox)
    assert delivery.run_once() == PAUSE_SECONDS
    assert delivery.run_once() == IDLE_SECONDS  # not due yet
    make_due(store, outbox, event)
    delivery.run_once()
    make_due(store, outbox, event)
    assert delivery.run_once() == 0.0
    assert [received.id for received in shop.received] == [event.id] * 3
    assert len({received.body for received in shop.received}) == 1
    assert outcomes == ["failed", "failed", "delivered"]
    assert "failed: the receiver responded 503; attempt 2 is in " in caplog.text
    assert "token" not in caplog.text


def test_message_is_given_up_after_the_last_attempt(
    delivery: Delivery,
    outbox: Outbox,
    shop: Receiver,
    store: JobStore,
    outcomes: list[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    attempts = len(DELAYS_SECONDS) + 1
    shop.statuses = [500] * attempts
    event = add(outbox)
    for _ in range(attempts - 1):
        delivery.run_once()
        make_due(store, outbox, event)
    delivery.run_once()
    assert outcomes == ["failed"] * (attempts - 1) + ["given_up"]
    assert outbox.waiting() == 0
    assert f"it is given up after {attempts} attempts" in caplog.text
    assert len(shop.received) == attempts


def test_one_process_delivers_at_a_time(delivery: Delivery, outbox: Outbox, shop: Receiver, store: JobStore) -> None:
    add(outbox)
    with leader(store.client, f"webhooks:{outbox.receiver}") as ours:
        assert ours
        assert delivery.run_once() == IDLE_SECONDS
        assert shop.received == []
    assert delivery.run_once() == 0.0


def test_process_killed_after_the_response_sends_again(
    delivery: Delivery, outbox: Outbox, shop: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = add(outbox)
    with monkeypatch.context() as patched:
        patched.setattr(outbox, "remove", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            delivery.run_once()
    delivery.run_once()
    assert [received.id for received in shop.received] == [event.id] * 2


def test_delays_grow_to_less_than_a_day_in_total() -> None:
    assert delay_seconds(len(DELAYS_SECONDS)) is None
    for attempts, nominal in enumerate(DELAYS_SECONDS):
        delays = {delay_seconds(attempts) for _ in range(20)}
        assert len(delays) > 1
        assert all(delay is not None and 0.9 * nominal <= delay <= 1.1 * nominal for delay in delays)
    assert sorted(DELAYS_SECONDS) == list(DELAYS_SECONDS)
    assert 1.1 * sum(DELAYS_SECONDS) < 86_400
