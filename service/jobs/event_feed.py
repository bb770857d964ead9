"""What happens to jobs, told to any number of listeners as it happens.

Every listener could block in an XREAD of its own, at the price of a connection to the broker each. Instead one question
a tenth of a second, for all jobs that anyone listens to, tells which have something new; only then is a stream read.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import Any

from redis.asyncio import Redis

from core.errors import BrokerUnavailableError
from core.jobs.records import FINAL_STATES
from core.jobs.stored_event import StoredEvent
from service.errors import TooManyStreamsError
from service.jobs.store.events import event_order, stored_event
from service.jobs.store.keys import events_key, job_key
from service.jobs.store.redis_client import broker_errors

log = logging.getLogger("duet.jobs")
POLL_SECONDS = 0.1
_AWAY_SECONDS = 0.5
_ANSWER_SECONDS = 3.0
_AT_A_TIME = 200
_READS_AT_A_TIME = 8


@dataclass(frozen=True)
class _Tip:
    """Where a job's stream ends now; `newest` is None once the record is gone."""

    newest: str | None
    ended: bool


@dataclass
class _Watch:
    """A job that someone listens to; `changed` is set, and replaced, when there is a reason to look again."""

    listeners: int = 0
    tip: _Tip | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()


class EventFeed:
    """Follows the event streams of jobs; used from one event loop.

    Args:
        client: made by `connect_async`.
        is_closing: whether the process is about to end; listeners are let go then, and may come back elsewhere.
        heartbeat_seconds: after so long without an event, a listener is told that there was none.
        max_listeners: more are refused; each holds a connection open.
    """

    def __init__(
        self,
        client: Redis,
        *,
        is_closing: Callable[[], bool],
        heartbeat_seconds: float = 15.0,
        max_listeners: int = 1000,
    ) -> None:
        self._client = client
        self._most_listeners = max_listeners
        self._is_closing = is_closing
        self._heartbeat_seconds = heartbeat_seconds
        self._watches: dict[str, _Watch] = {}
        self._polling: asyncio.Task[None] | None = None
        self._reads = asyncio.Semaphore(_READS_AT_A_TIME)
        self._reading: set[asyncio.Task[list[StoredEvent] | None]] = set()
        self._closed = False

    def check_capacity(self) -> None:
        """Raises TooManyStreamsError where as many listeners are here as can be."""
        if self.listeners >= self._most_listeners:
            raise TooManyStreamsError(self._most_listeners)

    @property
    def listeners(self) -> int:
        """How many there are."""
        return sum(watch.listeners for watch in self._watches.values())

    async def follow(self, job_id: str, after: str) -> AsyncGenerator[StoredEvent | None, None]:
        """The events after the one with the id `after`, as they come, until the job has ended or the process will.

        None stands for a while in which nothing came. While the broker is away nothing comes; once it is back, the
        stream goes on where it was.
        """
        watch = self._begin(job_id)
        try:
            while True:
                # Taken before reading: what changes during the read is not slept through.
                changed = watch.changed
                events = await self._read(job_id, after)
                for event in events or ():
                    after = event.id
                    yield event
                if self._is_closing() or (events == [] and self._is_over(watch.tip, after)):
                    return
                if not events and not await self._waited(changed, watch, after):
                    yield None
        finally:
            self._end(job_id, watch)

    async def close(self) -> None:
        """Let go of the broker; listeners hear nothing from now on."""
        self._closed = True
        if self._polling is not None:
            await self._polling
        await asyncio.gather(*self._reading)
        await self._client.aclose()

    def _begin(self, job_id: str) -> _Watch:
        watch = self._watches.setdefault(job_id, _Watch())
        watch.listeners += 1
        if self._polling is None or self._polling.done():
            self._polling = asyncio.create_task(self._poll())
        return watch

    def _end(self, job_id: str, watch: _Watch) -> None:
        watch.listeners -= 1
        if watch.listeners == 0:
            del self._watches[job_id]

    @staticmethod
    def _is_over(tip: _Tip | None, after: str) -> bool:
        if tip is None:
            return False
        return tip.newest is None or (tip.ended and event_order(tip.newest) <= event_order(after))

    async def _waited(self, changed: asyncio.Event, watch: _Watch, after: str) -> bool:
        """Wait for a reason to read again; False where it is time to say that the stream is still alive."""
        newest = watch.tip.newest if watch.tip is not None else None
        if newest is not None and event_order(newest) > event_order(after):
            await asyncio.sleep(POLL_SECONDS)  # the read failed, or came before the event
            return False
        try:
            async with asyncio.timeout(self._heartbeat_seconds):
                await changed.wait()
        except TimeoutError:
            return False
        return True

    async def _read(self, job_id: str, after: str) -> list[StoredEvent] | None:
        """What comes next in the stream, None where the broker is away."""
        # In a task of its own, because redis-py sometimes swallows a cancellation (seen with 8.1): a listener
        # that hung up in the middle of a read would then listen for ever.
        reading = asyncio.create_task(self._fetch(job_id, after))
        self._reading.add(reading)
        reading.add_done_callback(self._reading.discard)
        return await asyncio.shield(reading)

    async def _fetch(self, job_id: str, after: str) -> list[StoredEvent] | None:
        try:
            async with self._reads, asyncio.timeout(_ANSWER_SECONDS):
                with broker_errors():
                    entries: Any = await self._client.xrange(events_key(job_id), min=f"({after}", count=_AT_A_TIME)
        except (BrokerUnavailableError, TimeoutError):
            return None
        return [stored_event(event_id, fields) for event_id, fields in entries]

    async def _poll(self) -> None:
        """Look for news of every watched job until there is none."""
        while self._watches and not self._closed:
            if self._is_closing():
                for watch in self._watches.values():
                    watch.wake()
            try:
                await self._look()
            except (BrokerUnavailableError, TimeoutError):
                await asyncio.sleep(_AWAY_SECONDS)
            except Exception:
                log.exception("looking for news of jobs failed")
                await asyncio.sleep(_AWAY_SECONDS)
            await asyncio.sleep(POLL_SECONDS)

    async def _look(self) -> None:
        watched = list(self._watches.items())
        async with asyncio.timeout(_ANSWER_SECONDS):
            with broker_errors():
                async with self._client.pipeline(transaction=False) as pipeline:
                    for job_id, _ in watched:
                        pipeline.hmget(job_key(job_id), ["events", "state"])
                    answers = await pipeline.execute()
        for (_, watch), (newest, state) in zip(watched, answers, strict=True):
            tip = _Tip(newest, state in FINAL_STATES)
            if tip != watch.tip:
                watch.tip = tip
                watch.wake()
