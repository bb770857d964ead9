"""GET /jobs/{job_id}/events: what happens to a job, as server-sent events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated

import orjson
from fastapi import APIRouter, Header, Query
from fastapi.sse import KEEPALIVE_COMMENT, EventSourceResponse, format_sse_event
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from core.errors import UnknownJobError
from core.jobs.stored_event import FIRST, StoredEvent
from service.api.deps import JobServiceDep
from service.api.examples.jobs import STORED_EVENT
from service.api.routes.jobs import BROKER_ERRORS, JobId
from service.errors import InvalidParametersError, TooManyStreamsError, responses
from service.jobs.event_feed import EventFeed
from service.jobs.store.events import EVENT_ID_PATTERN, event_order

router = APIRouter(prefix="/jobs", tags=["jobs"])
RECONNECT_MS = 2000
"""After which a browser comes back; by then a process that drains has closed its listener and sends it elsewhere."""
# A proxy that gathers or keeps what it passes on would hold events back.
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

LastEventId = Annotated[
    str | None,
    Header(
        alias="Last-Event-ID", pattern=EVENT_ID_PATTERN, description="the last event that was seen; a browser sends it"
    ),
]


class EventsQuery(BaseModel):
    """Where to begin."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    after: str = Field(
        FIRST, pattern=EVENT_ID_PATTERN, description="only events after this one, such as `events` of the job's record"
    )


def rendered(stored: StoredEvent) -> bytes:
    """The event as a browser reads it: its id, and one JSON object with everything about it as data."""
    data = {
        **stored.event.model_dump(mode="json"),
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
            "description": "Events until the job has ended; `data` is a JSON object whose `event` names its kind",
            "content": {
                "text/event-stream": {"schema": {"type": "string"}, "example": rendered(STORED_EVENT).decode()}
            },
        },
        204: {"description": "The job has ended and there is nothing more to see: a browser does not come back"},
        **responses(UnknownJobError, InvalidParametersError, TooManyStreamsError, *BROKER_ERRORS),
    },
)
async def job_events(
    request: Request,
    job_id: JobId,
    query: Annotated[EventsQuery, Query()],
    job_service: JobServiceDep,
    last_event_id: LastEventId = None,
) -> Response:
    """Follow a job: all its events so far, or those after the last one seen, and then each as it happens.

    `new EventSource("/jobs/.../events")` in a browser needs no key, and after a lost connection goes on where it was.
    Of `progress` within an epoch only the newest is kept; a comment every 15 seconds keeps the connection alive.
    """
    after = last_event_id or query.after
    record = await job_service.call(lambda: job_service.store.get(job_id), request.state.context.deadline)
    if record.finished and event_order(record.events) <= event_order(after):
        return Response(status_code=204)
    job_service.feed.check_capacity()
    return EventSourceResponse(_stream(job_service.feed, job_id, after), headers=_HEADERS)


async def _stream(feed: EventFeed, job_id: str, after: str) -> AsyncIterator[bytes]:
    yield format_sse_event(retry=RECONNECT_MS)
    async with aclosing(feed.follow(job_id, after)) as events:
        async for event in events:
            yield KEEPALIVE_COMMENT if event is None else rendered(event)
