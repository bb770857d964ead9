"""What is known of a request before any route has looked at it: its id, its trace, its clock."""

from __future__ import annotations

import re
import uuid
from contextvars import ContextVar
from dataclasses import dataclass

from starlette.datastructures import Headers

REQUEST_ID_HEADER = "x-request-id"
TRACEPARENT_HEADER = "traceparent"
_SANE_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
# https://www.w3.org/TR/trace-context/#traceparent-header; version ff and all-zero ids are invalid.
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-[\x21-\x7e]*)?")


@dataclass(frozen=True)
class RequestContext:
    """One request, from its head on.

    Attributes:
        id: the client's X-Request-ID where that is sane, a fresh one otherwise.
        traceparent: the client's W3C trace context where it is valid.
        started: when the head had been read, on the clock of `time.perf_counter`.
        deadline: when the answer is due, on the same clock.
    """

    id: str
    traceparent: str | None
    started: float
    deadline: float


current_request: ContextVar[RequestContext | None] = ContextVar("current_request", default=None)
"""The request that a log line belongs to; read by the log formatter alone."""


def read_context(headers: Headers, *, now: float, deadline_seconds: float) -> RequestContext:
    """The context of the request with these headers; `now` is on the clock of `time.perf_counter`."""
    request_id = headers.get(REQUEST_ID_HEADER, "")
    traceparent = headers.get(TRACEPARENT_HEADER, "")
    return RequestContext(
        id=request_id if _SANE_ID.fullmatch(request_id) else uuid.uuid4().hex,
        traceparent=traceparent if _TRACEPARENT.fullmatch(traceparent) else None,
        started=now,
        deadline=now + deadline_seconds,
    )
