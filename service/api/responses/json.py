"""What every answer about images carries besides the answer: where its time went, and its request's id."""

from __future__ import annotations

import time
from typing import Any

import orjson
from starlette.responses import Response

from service.engine.engine import Timings
from service.observability.request_context import RequestContext


class JsonResponse(Response):
    """JSON that is bytes already, with the two headers it needs; what Starlette's own constructor adds is time."""

    def __init__(self, body: bytes) -> None:
        self.status_code = 200
        self.body = body
        self.background = None
        self.raw_headers = [(b"content-length", b"%d" % len(body)), (b"content-type", b"application/json")]


def json_answer(answer: dict[str, Any], timings: Timings, context: RequestContext) -> Response:
    """`answer` with `timing_ms` and `request_id` added, as a JSON response."""
    answer["timing_ms"] = timing(timings, context)
    answer["request_id"] = context.id
    return JsonResponse(orjson.dumps(answer))


def timing(timings: Timings, context: RequestContext) -> dict[str, float]:
    """`timing_ms` of an answer that is ready now."""
    return {
        "decode": _milliseconds(timings.decode),
        "queue": _milliseconds(timings.queue),
        "inference": _milliseconds(timings.inference),
        "total": _milliseconds(time.perf_counter() - context.started),
    }


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)
