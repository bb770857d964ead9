"""GET /jobs/{job_id}/events: events of a job as server-sent events."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Annotated

import orjson
from fastapi import APIRouter, Header, Query
from fastapi.sse import KEEPALIVE_COMMENT, EventSourceResponse, format_sse_event
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response, StreamingResponse

from core.errors import JobNotFoundError
from core.jobs.events import FIRST, StoredEvent
from service.api.common.job_responses import BROKER_ERRORS
from service.api.deps import JobServiceDep, StateDep
from service.api.routes.jobs import JobId
from service.errors import InvalidParametersError, TooManyStreamsError, responses
from service.errors.hidden_paths import hide_paths
from service.jobs.event_feed import EventFeed
from service.jobs.store.records import EventId, event_order
from service.settings import Settings

router = APIRouter(prefix="/jobs", tags=["jobs"])
RECONNECT_MS = 2000
"""Reconnection delay for browsers. By then, a draining process has closed its listener."""
_EXAMPLE = (
    'data: {"event":"progress","epoch":2,"epochs":3,"step":451,"steps":1056,"loss":0.87,"accuracy":0.71,'
    '"seconds_left":93.0,"at":"2026-01-02T03:05:11Z","attempt":1,"token":42}\n'
    "id: 1767323111000-0\n\n"
)
# Prevents proxies from buffering or caching events.
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

LastEventId = Annotated[
    EventId | None, Header(alias="Last-Event-ID", description="id of the last received event, sent by browsers")
]


class EventsQuery(BaseModel):
    """Start of the stream."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    after: EventId = Field(FIRST, description="only events after this id, such as `events` of a job")


def render_event(stored: StoredEvent, folders: Mapping[str, Path | None]) -> bytes:
    """Format the event as a server-sent event with a JSON object as data, without the paths of `folders`."""
    data = {
        **hide_paths(stored.event.model_dump(mode="json"), **folders),
        "at": stored.at,
        "attempt": stored.attempt,
        "token": stored.token,
    }
    return format_sse_event(data_str=orjson.dumps(data, option=orjson.OPT_UTC_Z).decode(), id=stored.id)


@router.get(
    "/{job_id}/events",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "Events until the end of the job; `data` is a JSON object, `event` is its kind",
            "content": {"text/event-stream": {"schema": {"type": "string"}, "example": _EXAMPLE}},
        },
        204: {"description": "The job has ended and there are no more events; browsers do not reconnect"},
        **responses(JobNotFoundError, InvalidParametersError, TooManyStreamsError, *BROKER_ERRORS),
    },
)
async def job_events(
    job_id: JobId,
    query: Annotated[EventsQuery, Query()],
    job_service: JobServiceDep,
    state: StateDep,
    last_event_id: LastEventId = None,
) -> Response:
    """Stream the events of a job: the past ones, or those after the last received event, then new ones.

    `new EventSource("/jobs/.../events")` in a browser needs no key and resumes after a lost connection. Only the latest
    `progress` event within an epoch is kept. A comment every 15 seconds keeps the connection alive.
    """
    after = last_event_id or query.after
    record = await job_service.call(lambda: job_service.store.get(job_id), state["context"].deadline)
    if record.finished and event_order(record.events) <= event_order(after):
        return Response(status_code=204)
    job_service.feed.check_capacity()
    return EventSourceResponse(_stream(job_service.feed, job_id, after, state["settings"]), headers=_HEADERS)


async def _stream(feed: EventFeed, job_id: str, after: str, settings: Settings) -> AsyncIterator[bytes]:
    yield format_sse_event(retry=RECONNECT_MS)
    async with aclosing(feed.follow(job_id, after)) as events:
        async for event in events:
            yield KEEPALIVE_COMMENT if event is None else render_event(event, settings.folders)
