"""Overload: the service is sent five times what it can do, and must refuse the rest without suffering.

- **Capacity** is the closed loop with 64 clients, measured just before: one batch of 32 runs while the next 32 wait,
  the least load that keeps the largest batch always full. Its p99 is "p99 at capacity".
- The **open loop** then sends `factor` times that rate, at random (Poisson) times that are fixed beforehand.
- The first fifth of the run fills the queue and is not judged. Accepted throughput counts the 2xx answers that came
  in the rest; latencies are those of requests due in the rest, from the time they were due.
- Retry-After is **present** where a 429 has both the header, in whole seconds from 1 to 60, and `retry_after_ms` in
  its body, and the former is the latter rounded up.
- Memory is resident memory before the run, a third into it, at its peak, and a second after the last answer.
"""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from collections.abc import Iterator, Sequence

from benchmarks.serving.ask import ask
from benchmarks.serving.bench import Bench
from benchmarks.serving.errors import LeftOutError
from benchmarks.serving.messages import Answer, BadAnswerError
from benchmarks.serving.open_loop import Outcome, open_load, poisson_arrivals
from benchmarks.serving.processes import ServerProcess, resident_mb
from benchmarks.serving.results import Load, Overload
from benchmarks.serving.spread import percentile
from benchmarks.serving.targets import Targets
from core.repository.manifest import Precision

CAPACITY_CLIENTS = 64
SETTLE_SHARE = 0.2
LATEST_SEND_MS = 20.0
_MAX_WAIT_MS = 60_000


def overload_rounds(bench: Bench, targets: Targets) -> Iterator[Overload]:
    """Overload the service once per round and precision, with raw bodies."""
    for round_ in range(bench.plan.rounds):
        for precision in bench.plan.precisions:
            try:
                server, requests = targets.serving("duet", "raw", precision)
                found = _overload(bench, server, requests, precision, round_)
            except LeftOutError as reason:
                bench.leave_out(f"overload {precision}", reason)
                continue
            bench.say(
                f"round {round_ + 1}  overload {precision}: {found.offered_per_second:.0f}/s offered, "
                f"{found.accepted_per_second:.0f}/s of {found.capacity_per_second:.0f}/s accepted, p99 "
                f"{found.accepted_p99_ms:.0f} ms ({found.capacity_p99_ms:.0f} ms at capacity), "
                f"{found.rejected_share:.0%} 429, other errors {found.error_kinds or 0}"
            )
            yield found


def _overload(
    bench: Bench, server: ServerProcess, requests: list[bytes], precision: Precision, round_: int
) -> Overload:
    capacity, _ = bench.measured(server, requests, clients=CAPACITY_CLIENTS, seconds=bench.plan.seconds)
    rate, seconds = bench.plan.overload_factor * capacity.per_second, bench.plan.overload_seconds
    pids = server.pids()
    before = resident_mb(pids)
    due = poisson_arrivals(rate, seconds, seed=round_)
    run = open_load(server.port, requests, due, watch=lambda: resident_mb(pids))
    time.sleep(1.0)
    during = [megabytes for _, megabytes in run.watched]
    third = next(megabytes for moment, megabytes in run.watched if moment >= seconds / 3)
    memory = (before, third, max(during), resident_mb(pids))
    try:
        recovered = ask(server.port, requests[0]).ok
    except (OSError, BadAnswerError):
        recovered = False
    server.require_alive()
    return summarize(run.outcomes, precision, round_, bench.plan.overload_factor, seconds, capacity, memory, recovered)


def summarize(
    outcomes: Sequence[Outcome],
    precision: Precision,
    round_: int,
    factor: float,
    seconds: float,
    capacity: Load,
    memory: tuple[float, float, float, float],
    recovered: bool,
) -> Overload:
    """The figures of one run, as the head of this module defines them.

    Raises:
        LeftOutError: the generator fell behind its own schedule.
    """
    start = SETTLE_SHARE * seconds
    judged = [outcome for outcome in outcomes if outcome.due >= start]
    lateness = percentile([1000 * (one.sent - one.due) for one in judged if not math.isnan(one.sent)], 99)
    if lateness > LATEST_SEND_MS:
        raise LeftOutError(
            f"the load generator sent 1 % of its requests more than {lateness:.0f} ms late: it cannot make this load"
        )
    accepted = [1000 * (one.ended - one.due) for one in judged if one.answer is not None and one.answer.ok]
    answered = sum(1 for one in outcomes if one.answer is not None and one.answer.ok and start <= one.ended < seconds)
    refusals = [one.answer for one in judged if one.answer is not None and one.answer.status == 429]
    waits = [wait for answer in refusals if (wait := retry_after_ms(answer)) is not None]
    kinds = Counter(kind for one in judged if (kind := error_kind(one)) is not None)
    return Overload(
        precision=precision,
        round=round_,
        factor=factor,
        capacity_per_second=capacity.per_second,
        capacity_p99_ms=capacity.p99_ms,
        offered_per_second=len(judged) / (seconds - start),
        accepted_per_second=answered / (seconds - start),
        accepted_p50_ms=percentile(accepted, 50),
        accepted_p99_ms=percentile(accepted, 99),
        rejected_share=len(refusals) / len(judged),
        other_errors=sum(kinds.values()),
        error_kinds=dict(kinds),
        retry_after_present=len(waits) / len(refusals) if refusals else 0.0,
        retry_after_p50_ms=percentile(waits, 50) if waits else None,
        rss_before_mb=memory[0],
        rss_third_mb=memory[1],
        rss_peak_mb=memory[2],
        rss_after_mb=memory[3],
        recovered=recovered,
        send_lateness_p99_ms=lateness,
    )


def retry_after_ms(answer: Answer) -> float | None:
    """The milliseconds that a refusal says to wait, or None where it does not say so as it should."""
    header = answer.header("Retry-After")
    try:
        milliseconds = json.loads(answer.body)["retry_after_ms"]
    except (ValueError, KeyError, TypeError):
        return None
    if header is None or not header.isdecimal() or not isinstance(milliseconds, int | float):
        return None
    if not 0 < milliseconds <= _MAX_WAIT_MS or int(header) != math.ceil(milliseconds / 1000):
        return None
    return float(milliseconds)


def error_kind(outcome: Outcome) -> str | None:
    """What went wrong with a request, or None where it was answered with 2xx or refused with 429."""
    if outcome.answer is None:
        return outcome.problem
    if outcome.answer.ok or outcome.answer.status == 429:
        return None
    return f"status {outcome.answer.status}"
