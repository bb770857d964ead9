"""The event stream of a job, as a reader follows it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from redis.asyncio import Redis

from core.errors import BrokerUnavailableError
from core.jobs.events import AddedEvent, Finished, ReportedEvent, read_job_event
from service.jobs.connection import broker_errors
from service.jobs.keys import events_key, job_key, unknown_job
from service.jobs.records import FINAL_STATES, from_milliseconds

FIRST = "0"
EVENT_ID_PATTERN = r"^[0-9]{1,15}(-[0-9]{1,9})?$"
"""What `follow` takes as `after`."""
_AT_A_TIME = 100
_RECONNECT_SECONDS = 0.5


@dataclass(frozen=True)
class StoredEvent:
    """An event as it stands in the stream.

    Attributes:
        id: `<ms>-<n>`, growing along the stream; what `Last-Event-ID` carries.
        at: when it was stored, UTC, by the broker's clock.
        attempt: how often the job had been claimed by then.
        token: of the newest claim then, None before the first.
        event: what happened.
    """

    id: str
    at: datetime
    attempt: int
    token: int | None
    event: ReportedEvent | AddedEvent


async def follow(
    client: Redis, job_id: str, *, after: str = FIRST, idle_seconds: float
) -> AsyncIterator[StoredEvent | None]:
    """The events of a job after the one with the id `after`, as they come; ends when the job has ended.

    None stands for `idle_seconds` in which nothing came, so that a connection can be kept alive. While the broker is
    away nothing comes; when it is back, the stream goes on where it was.

    Args:
        client: made by `connect_async` with a `longest_wait_seconds` of at least `idle_seconds`.
        job_id: of the job.
        after: an id of this stream, or FIRST. One that the stream no longer holds is fine.
        idle_seconds: greater than 0.

    Raises:
        UnknownJobError: there is no such job.
        BrokerUnavailableError: the broker cannot be reached at the start.
    """
    state, newest = await _standing(client, job_id)
    while True:
        if state in FINAL_STATES and _order(after) >= _order(newest):
            return
        try:
            events = await _read(client, job_id, after, idle_seconds)
            for event in events:
                after = event.id
                yield event
            if not events:
                yield None
            if not events or isinstance(events[-1].event, Finished):
                state, newest = await _standing(client, job_id)
        except BrokerUnavailableError:
            await asyncio.sleep(_RECONNECT_SECONDS)
            yield None


async def _standing(client: Redis, job_id: str) -> tuple[str, str]:
    with broker_errors():
        state, newest = await client.hmget(job_key(job_id), ["state", "events"])
    if state is None or newest is None:
        raise unknown_job(job_id)
    return state, newest


async def _read(client: Redis, job_id: str, after: str, idle_seconds: float) -> list[StoredEvent]:
    key = events_key(job_id)
    with broker_errors():
        answer: Any = await client.xread({key: after}, count=_AT_A_TIME, block=max(1, round(idle_seconds * 1000)))
    streams = answer.items() if isinstance(answer, Mapping) else answer or ()
    return [_stored(event_id, fields) for _, entries in streams for event_id, fields in entries]


def _stored(event_id: str, fields: Mapping[str, str]) -> StoredEvent:
    return StoredEvent(
        id=event_id,
        at=from_milliseconds(int(event_id.partition("-")[0])),
        attempt=int(fields["attempt"]),
        token=int(fields["token"]) if fields["token"] else None,
        event=read_job_event(fields["event"]),
    )


def _order(event_id: str) -> tuple[int, int]:
    milliseconds, _, number = event_id.partition("-")
    return int(milliseconds), int(number or 0)
