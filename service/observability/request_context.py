"""What is known of a request before any route has looked at it: its id, its trace, its clock."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from contextvars import ContextVar
from itertools import count
from typing import NamedTuple

REQUEST_ID_HEADER = b"x-request-id"
TRACEPARENT_HEADER = b"traceparent"
_SANE_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
# https://www.w3.org/TR/trace-context/#traceparent-header; version ff and all-zero ids are invalid.
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-[\x21-\x7e]*)?")


class RequestContext(NamedTuple):
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


_process_id = os.urandom(8).hex()
_numbers = count()


def read_context(headers: Iterable[tuple[bytes, bytes]], *, now: float, deadline_seconds: float) -> RequestContext:
    """The context of the request with these headers.

    Args:
        headers: names in lower case, as ASGI gives them.
        now: on the clock of `time.perf_counter`.
        deadline_seconds: how long the answer may take.
    """
    request_id = traceparent = ""
    for name, value in headers:
        if name == REQUEST_ID_HEADER:
            request_id = value.decode("latin-1")
        elif name == TRACEPARENT_HEADER:
            traceparent = value.decode("latin-1")
    return RequestContext(
        request_id if request_id and _SANE_ID.fullmatch(request_id) else _fresh_id(),
        traceparent if traceparent and _TRACEPARENT.fullmatch(traceparent) else None,
        now,
        now + deadline_seconds,
    )


def _fresh_id() -> str:
    """32 hexadecimal digits that no other request has: half random per process, half counted."""
    return f"{_process_id}{next(_numbers):016x}"
