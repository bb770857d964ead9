"""What every answer about images carries besides the answer: where its time went, and its request's id."""

from __future__ import annotations

import time
from typing import Any

import orjson
from starlette.responses import Response

from service.context import RequestContext
from service.engine.engine import Spent


def json_answer(answer: dict[str, Any], spent: Spent, context: RequestContext) -> Response:
    """`answer` with `timing_ms` and `request_id` added, as a JSON response."""
    answer["timing_ms"] = {
        "decode": _milliseconds(spent.decode),
        "queue": _milliseconds(spent.queue),
        "inference": _milliseconds(spent.inference),
        "total": _milliseconds(time.perf_counter() - context.started),
    }
    answer["request_id"] = context.id
    return Response(orjson.dumps(answer), media_type="application/json")


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)
