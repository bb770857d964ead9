"""Live feed of job events for any number of listeners.

A blocking XREAD per listener would need one broker connection each. Instead, one poll every 0.1 s checks all watched
jobs for new events, and only streams with new events are read.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import Any

from redis.asyncio import Redis

from core.errors import BrokerUnavailableError
from core.jobs.events import StoredEvent
from core.jobs.records import FINAL_STATES
from service.errors import TooManyStreamsError
from service.jobs.store.keys import events_key, job_key
from service.jobs.store.records import event_order, stored_event
from service.jobs.store.redis_client import broker_errors

log = logging.getLogger("duet.jobs")
POLL_SECONDS = 0.1
_OUTAGE_PAUSE_SECONDS = 0.5
_TIMEOUT_SECONDS = 3.0
_BATCH = 200
_CONCURRENT_READS = 8


@dataclass(frozen=True)
class _Tip:
    """End of a job's stream: id of the newest event, None if the record was removed."""

    newest: str | None
    ended: bool


@dataclass
class _Watch:
    """A watched job; `changed` is set, and replaced, when the stream should be read again."""

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
        is_closing: whether the process is shutting down; streams then end, and clients reconnect elsewhere.
        heartbeat_seconds: interval of None items while there are no events.
        max_listeners: limit of open streams, each of which holds a connection.
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
        self._max_listeners = max_listeners
        self._is_closing = is_closing
        self._heartbeat_seconds = heartbeat_seconds
        self._watches: dict[str, _Watch] = {}
        self._polling: asyncio.Task[None] | None = None
        self._reads = asyncio.Semaphore(_CONCURRENT_READS)
        self._reading: set[asyncio.Task[list[StoredEvent] | None]] = set()
        self._closed = False

    def check_capacity(self) -> None:
        """Raises TooManyStreamsError if the limit of listeners is reached."""
        if self.listeners >= self._max_listeners:
            raise TooManyStreamsError(self._max_listeners)

    @property
    def listeners(self) -> int:
        """Number of open streams."""
        return sum(watch.listeners for watch in self._watches.values())

    async def follow(self, job_id: str, after: str) -> AsyncGenerator[StoredEvent | None, None]:
        """Yield the events after the id `after` until the job or the process ends.

        None is a heartbeat after a time without events. An outage of the broker pauses the stream; it then continues
        with the next event.
        """
        watch = self._begin(job_id)
        try:
            while True:
                # Get the event before reading, so that a change during the read wakes this loop.
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
        """Close the broker connection; listeners receive no further events."""
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
        """Wait for new events; False if a heartbeat is due."""
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
        """The next events of the stream, None if the broker is unavailable."""
        # In a separate task, because redis-py sometimes swallows a cancellation (seen with 8.1): a listener that
        # disconnects during a read would otherwise never end.
        reading = asyncio.create_task(self._fetch(job_id, after))
        self._reading.add(reading)
        reading.add_done_callback(self._reading.discard)
        return await asyncio.shield(reading)

    async def _fetch(self, job_id: str, after: str) -> list[StoredEvent] | None:
        try:
            async with self._reads, asyncio.timeout(_TIMEOUT_SECONDS):
                with broker_errors():
                    entries: Any = await self._client.xrange(events_key(job_id), min=f"({after}", count=_BATCH)
        except (BrokerUnavailableError, TimeoutError):
            return None
        return [stored_event(event_id, fields) for event_id, fields in entries]

    async def _poll(self) -> None:
        """Poll all watched jobs until none is watched."""
        while self._watches and not self._closed:
            if self._is_closing():
                for watch in self._watches.values():
                    watch.wake()
            try:
                await self._poll_once()
            except (BrokerUnavailableError, TimeoutError):
                await asyncio.sleep(_OUTAGE_PAUSE_SECONDS)
            except Exception:
                log.exception("polling for job events failed")
                await asyncio.sleep(_OUTAGE_PAUSE_SECONDS)
            await asyncio.sleep(POLL_SECONDS)

    async def _poll_once(self) -> None:
        watched = list(self._watches.items())
        async with asyncio.timeout(_TIMEOUT_SECONDS):
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
