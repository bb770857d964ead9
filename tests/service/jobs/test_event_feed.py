from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from core.jobs.events import FIRST, Note, Stage, StoredEvent
from service.errors import TooManyStreamsError
from service.jobs.event_feed import EventFeed
from service.jobs.store.redis_client import connect_async
from service.jobs.store.store import JobStore
from tests.support.broker import Broker
from tests.support.jobs import running, submit
from tests.support.service import until


@dataclass
class Listener:
    """Collects the events of a feed."""

    feed: EventFeed
    job_id: str
    after: str = FIRST
    events: list[StoredEvent] = field(default_factory=list)
    heartbeats: int = 0
    task: asyncio.Task[None] | None = None

    def start(self) -> Listener:
        self.task = asyncio.create_task(self._listen())
        return self

    async def _listen(self) -> None:
        async for event in self.feed.follow(self.job_id, self.after):
            if event is None:
                self.heartbeats += 1
            else:
                self.events.append(event)

    @property
    def kinds(self) -> list[str]:
        return [event.event.event for event in self.events]

    async def heard(self, kind: str) -> None:
        await until(lambda: asyncio.sleep(0, kind in self.kinds))

    async def ended(self) -> None:
        assert self.task is not None
        await self.task


@asynccontextmanager
async def feed_of(
    broker: Broker, *, is_closing: Callable[[], bool] = lambda: False, heartbeat_seconds: float = 60.0, most: int = 1000
) -> AsyncIterator[EventFeed]:
    client = connect_async(broker.url)
    feed = EventFeed(client, is_closing=is_closing, heartbeat_seconds=heartbeat_seconds, max_listeners=most)
    try:
        yield feed
    finally:
        await feed.close()


def _running(store: JobStore) -> tuple[str, int]:
    claim = running(store)
    return claim.record.id, claim.token


async def test_follow_yields_past_and_future_events(broker: Broker, store: JobStore) -> None:
    job_id, token = _running(store)
    async with feed_of(broker) as feed:
        listener = Listener(feed, job_id).start()
        await listener.heard("claimed")
        store.append(job_id, token, [Stage(name="fit")])
        await listener.heard("stage")
        store.append(job_id, token, [Note(text="one"), Note(text="two")])
        store.finish(job_id, token, "succeeded")
        await listener.ended()
        assert listener.kinds == ["submitted", "claimed", "stage", "note", "note", "finished"]
        assert [event.attempt for event in listener.events] == [0, 1, 1, 1, 1, 1]
        assert [event.token for event in listener.events] == [None, *[token] * 5]
        assert feed.listeners == 0


async def test_follow_after_an_event_yields_the_rest(broker: Broker, store: JobStore) -> None:
    job_id, token = _running(store)
    async with feed_of(broker) as feed:
        first = Listener(feed, job_id).start()
        await first.heard("claimed")
        assert first.task is not None
        first.task.cancel()
        store.append(job_id, token, [Stage(name="fit")])
        store.finish(job_id, token, "failed")
        second = Listener(feed, job_id, after=first.events[-1].id).start()
        await second.ended()
        assert second.kinds == ["stage", "finished"]
        nothing_more = Listener(feed, job_id, after=second.events[-1].id).start()
        await nothing_more.ended()
        assert nothing_more.events == []


async def test_follow_yields_a_long_stream_completely(broker: Broker, store: JobStore) -> None:
    job_id, token = _running(store)
    store.append(job_id, token, [Note(text=str(i)) for i in range(1000)])
    store.finish(job_id, token, "succeeded")
    async with feed_of(broker) as feed:
        listener = Listener(feed, job_id).start()
        await listener.ended()
    assert listener.kinds == ["submitted", "claimed", *["note"] * 1000, "finished"]


async def test_follow_continues_past_a_retry(broker: Broker, store: JobStore) -> None:
    job_id, token = _running(store)
    store.finish(job_id, token, "failed")
    store.retry(job_id)
    async with feed_of(broker) as feed:
        listener = Listener(feed, job_id).start()
        await listener.heard("retried")
        store.request_cancel(job_id)
        await listener.ended()
    assert listener.kinds == ["submitted", "claimed", "finished", "retried", "finished"]


async def test_follow_yields_heartbeats(broker: Broker, store: JobStore) -> None:
    async with feed_of(broker, heartbeat_seconds=0.02) as feed:
        record = submit(store)
        listener = Listener(feed, record.id).start()
        await until(lambda: asyncio.sleep(0, listener.heartbeats >= 3))
        store.request_cancel(record.id)
        await listener.ended()
    assert listener.kinds == ["submitted", "finished"]


async def test_follow_ends_when_the_job_is_removed(broker: Broker, store: JobStore) -> None:
    async with feed_of(broker) as feed:
        listener = Listener(feed, submit(store).id).start()
        await listener.heard("submitted")
        store.client.flushall()
        await listener.ended()


async def test_follow_ends_when_the_process_closes(broker: Broker, store: JobStore) -> None:
    closing = False
    async with feed_of(broker, is_closing=lambda: closing) as feed:
        listeners = [Listener(feed, submit(store).id).start() for _ in range(5)]
        for listener in listeners:
            await listener.heard("submitted")
        closing = True
        for listener in listeners:
            await listener.ended()
        late = Listener(feed, listeners[0].job_id).start()
        await late.ended()
        assert late.kinds == ["submitted"]


async def test_follow_continues_after_an_outage(mortal_broker: Broker, mortal_store: JobStore) -> None:
    store = mortal_store
    job_id, token = _running(store)
    async with feed_of(mortal_broker, heartbeat_seconds=0.05) as feed:
        listener = Listener(feed, job_id).start()
        await listener.heard("claimed")
        mortal_broker.kill()
        silent = listener.heartbeats
        await until(lambda: asyncio.sleep(0, listener.heartbeats > silent + 1))
        mortal_broker.restart()
        store.append(job_id, token, [Stage(name="fit")])
        store.finish(job_id, token, "succeeded")
        await listener.ended()
    assert listener.kinds == ["submitted", "claimed", "stage", "finished"]
    assert len({event.id for event in listener.events}) == 4


async def test_hundreds_of_listeners_share_connections(broker: Broker, store: JobStore) -> None:
    job_id, token = _running(store)
    other_id, _ = _running(store)
    async with feed_of(broker) as feed:
        crowd = [Listener(feed, job_id if i % 2 else other_id).start() for i in range(400)]
        for listener in crowd:
            await listener.heard("claimed")
        assert feed.listeners == 400
        connected = int(store.client.info("clients")["connected_clients"])
        assert connected <= 12
        for listener in crowd[:300]:  # some of them in the middle of a read
            assert listener.task is not None
            listener.task.cancel()
        await until(lambda: asyncio.sleep(0, feed.listeners == 100))
        store.finish(job_id, token, "succeeded")
        for listener in crowd[301::2]:
            await listener.ended()
            assert listener.kinds[-1] == "finished"
        assert feed.listeners == 50
        for listener in crowd:
            assert listener.task is not None
            listener.task.cancel()
        await until(lambda: asyncio.sleep(0, feed.listeners == 0))


async def test_check_capacity_at_the_limit_raises(broker: Broker, store: JobStore) -> None:
    async with feed_of(broker, most=1) as feed:
        feed.check_capacity()
        listener = Listener(feed, submit(store).id).start()
        await listener.heard("submitted")
        with pytest.raises(TooManyStreamsError):
            feed.check_capacity()
        assert listener.task is not None
        listener.task.cancel()
        await until(lambda: asyncio.sleep(0, feed.listeners == 0))
        feed.check_capacity()
