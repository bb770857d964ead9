"""Overload: Duet receives five times its capacity and must reject the rest without slowing down.

benchmarks/README.md defines the figures.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence

from benchmarks.common.http import Answer, BadAnswerError, ask
from benchmarks.common.open_loop import Outcome, open_load, poisson_arrivals
from benchmarks.common.report import BenchmarkError, Goal, SkippedError, percentile
from benchmarks.common.server import Server, rss_mb
from benchmarks.common.wrk import Load

CAPACITY_CLIENTS = 64
FACTOR = 5
SETTLE_SHARE = 0.2
MAX_LATENESS_MS = 20.0
MAX_RETRY_AFTER_MS = 60_000

GOALS = (
    Goal(f"{FACTOR} x overload, *: p99 / p50 at capacity", "<=", 1.5),
    Goal(f"{FACTOR} x overload, *: p99 accepted / at capacity", "<=", 3.0),
    Goal(f"{FACTOR} x overload, *: accepted / capacity", ">=", 0.9),
    Goal(f"{FACTOR} x overload, *: neither 2xx nor 429", "<=", 0),
    Goal(f"{FACTOR} x overload, *: 429 with a consistent Retry-After, %", ">=", 100),
    Goal(f"{FACTOR} x overload, *: RSS after / third", "<=", 1.05),
    Goal(f"{FACTOR} x overload, *: next request served", ">=", 1),
)


def overload(
    server: Server, requests: Sequence[bytes], capacity: Load, *, seconds: float, seed: int
) -> dict[str, float]:
    """Send FACTOR times the capacity for `seconds`, and return the figures.

    Raises:
        SkippedError: the generator could not keep its schedule.
        BenchmarkError: the server has exited.
    """
    processes = server.processes()
    before = rss_mb(processes)
    due = poisson_arrivals(FACTOR * capacity.per_second, seconds, seed=seed)
    run = open_load(server.port, requests, due, probe=lambda: rss_mb(processes))
    time.sleep(1.0)
    third = next(megabytes for moment, megabytes in run.samples if moment >= seconds / 3)
    peak, after = max(megabytes for _, megabytes in run.samples), rss_mb(processes)
    memory = {"before": before, "third": third, "peak": peak, "after": after}
    try:
        served = ask(server.port, requests[0]).ok
    except (OSError, BadAnswerError):
        served = False
    server.require_alive()
    return {
        **summarize(run.outcomes, capacity, seconds=seconds),
        **{f"RSS {when}, MB": megabytes for when, megabytes in memory.items()},
        "RSS after / third": after / third,
        "next request served": float(served),
    }


def summarize(outcomes: Sequence[Outcome], capacity: Load, *, seconds: float) -> dict[str, float]:
    """Compute the figures of the answers to a run of `seconds`.

    Raises:
        SkippedError: the generator could not keep its schedule.
        BenchmarkError: no request was accepted.
    """
    start = SETTLE_SHARE * seconds
    rest = [one for one in outcomes if one.due >= start]
    lateness_ms = percentile((1000 * (one.sent - one.due) for one in rest if not math.isnan(one.sent)), 99)
    if lateness_ms > MAX_LATENESS_MS:
        raise SkippedError(f"the load generator is too slow: 1 % of the requests were sent {lateness_ms:.0f} ms late")
    accepted_ms = [1000 * (one.ended - one.due) for one in rest if one.answer is not None and one.answer.ok]
    if not accepted_ms:
        raise BenchmarkError("no request was accepted under overload")
    answered = sum(one.answer is not None and one.answer.ok and start <= one.ended < seconds for one in outcomes)
    rejections = [one.answer for one in rest if one.answer is not None and one.answer.status == 429]
    waits_ms = [wait for answer in rejections if (wait := retry_after_ms(answer)) is not None]
    accepted, p99_ms = answered / (seconds - start), percentile(accepted_ms, 99)
    return {
        "offered/s": len(rest) / (seconds - start),
        "accepted/s": accepted,
        "capacity/s": capacity.per_second,
        "p99 / p50 at capacity": capacity.p99_ms / capacity.p50_ms,
        "accepted / capacity": accepted / capacity.per_second,
        "p50 accepted, ms": percentile(accepted_ms, 50),
        "p99 accepted, ms": p99_ms,
        "p99 accepted / at capacity": p99_ms / capacity.p99_ms,
        "429, %": 100 * len(rejections) / len(rest),
        "neither 2xx nor 429": len(rest) - len(accepted_ms) - len(rejections),
        "429 with a consistent Retry-After, %": 100 * len(waits_ms) / len(rejections) if rejections else 0.0,
        "retry_after_ms, median": percentile(waits_ms, 50),
    }


def retry_after_ms(answer: Answer) -> float | None:
    """Return the milliseconds to wait after a 429, or None if header and body are missing or inconsistent."""
    header = answer.header("Retry-After")
    try:
        milliseconds = json.loads(answer.body)["retry_after_ms"]
    except (ValueError, KeyError, TypeError):
        return None
    if header is None or not header.isdecimal() or not isinstance(milliseconds, int | float):
        return None
    if not 0 < milliseconds <= MAX_RETRY_AFTER_MS or int(header) != math.ceil(milliseconds / 1000):
        return None
    return float(milliseconds)
