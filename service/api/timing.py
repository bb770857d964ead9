"""The `timing_ms` of an answer."""

from __future__ import annotations

import time

from core.api import Timing
from service.context import RequestContext
from service.engine.engine import Spent


def timing_of(spent: Spent, context: RequestContext) -> Timing:
    """Milliseconds of each part, and of the whole request up to now."""
    return Timing(
        decode=_milliseconds(spent.decode),
        queue=_milliseconds(spent.queue),
        inference=_milliseconds(spent.inference),
        total=_milliseconds(time.perf_counter() - context.started),
    )


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)
