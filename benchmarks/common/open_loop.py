"""Open loop: sends requests at times that are fixed beforehand, independent of the answers; wrk has no such mode."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import uvloop

from benchmarks.common.http import Answer, BadAnswerError, Connection
from benchmarks.common.report import BenchmarkError

OPENED_CONNECTIONS = 512
MAX_CONNECTIONS = 2048
ANSWER_SECONDS = 15.0
SAMPLE_SECONDS = 0.2


@dataclass(slots=True)
class Outcome:
    """Result of one request; times are in seconds from the start. If `answer` is None, `problem` is the reason."""

    due: float
    sent: float = float("nan")
    ended: float = float("nan")
    answer: Answer | None = None
    problem: str | None = "never answered"


@dataclass
class OpenRun:
    """Outcomes in the order of their due times, and the samples of the probe as (seconds, value)."""

    outcomes: list[Outcome]
    samples: list[tuple[float, float]] = field(default_factory=list)

    def accepted_ms(self, *allowed: int) -> list[float]:
        """Return the latencies of the 2xx answers in ms.

        Raises BenchmarkError if a status is neither 2xx nor `allowed`, an answer is missing, or none is 2xx.
        """
        answered = [(one, one.answer) for one in self.outcomes if one.answer is not None]
        taken = [1000 * (one.ended - one.due) for one, answer in answered if answer.ok]
        good = len(taken) + sum(answer.status in allowed for _, answer in answered)
        if good < len(self.outcomes) or not taken:
            failed = len(self.outcomes) - good
            raise BenchmarkError(f"{failed} of {len(self.outcomes)} predictions failed, {len(taken)} were accepted")
        return taken


def poisson_arrivals(per_second: float, seconds: float, *, seed: int) -> npt.NDArray[np.float64]:
    """Return ascending due times in seconds, below `seconds`, with exponentially distributed gaps."""
    expected = per_second * seconds
    gaps = np.random.default_rng(seed).exponential(1 / per_second, int(expected + 10 * expected**0.5 + 10))
    due = np.cumsum(gaps)
    return due[due < seconds]


def open_load(
    port: int,
    requests: Sequence[bytes],
    due: npt.NDArray[np.float64],
    *,
    probe: Callable[[], float] | None = None,
    connections: int = OPENED_CONNECTIONS,
) -> OpenRun:
    """Send one request at each due time over keep-alive connections; more are opened when all are busy.

    `requests` are sent in turn; `due` are ascending seconds from the start; `probe` is called every SAMPLE_SECONDS;
    `connections` are opened before the start.
    """
    gc.collect()
    gc.disable()  # a collection would delay requests
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_run(port, requests, due, probe, connections))
    finally:
        gc.enable()


async def _run(
    port: int,
    requests: Sequence[bytes],
    due: npt.NDArray[np.float64],
    probe: Callable[[], float] | None,
    connections: int,
) -> OpenRun:
    run = OpenRun([Outcome(float(moment)) for moment in due])
    idle = list(await asyncio.gather(*(Connection.open(port) for _ in range(connections))))
    busy: set[asyncio.Task[None]] = set()
    started = time.perf_counter()

    def now() -> float:
        return time.perf_counter() - started

    def idle_connection() -> Connection | None:
        while idle and not idle[-1].usable:
            idle.pop()
        return idle.pop() if idle else None

    async def send(outcome: Outcome, request: bytes) -> None:
        try:
            connection = idle_connection() or await Connection.open(port)
            outcome.sent = now()
            outcome.answer = await connection.exchange(request)
            outcome.problem = None
            idle.append(connection)
        except (OSError, BadAnswerError) as error:
            outcome.problem = f"{type(error).__name__}: {error}"
        outcome.ended = now()

    async def sample() -> None:
        while probe is not None:
            run.samples.append((now(), probe()))
            await asyncio.sleep(SAMPLE_SECONDS)

    sampling = asyncio.create_task(sample())
    for index, outcome in enumerate(run.outcomes):
        if index % 32 == 0:
            await asyncio.sleep(0)  # read answers even if the generator is late
        while (ahead := outcome.due - now()) > 0:  # noqa: ASYNC110  a schedule, not an event
            await asyncio.sleep(ahead)  # may return a little early
        if len(busy) >= MAX_CONNECTIONS:
            outcome.problem = f"not sent: {MAX_CONNECTIONS} requests are unanswered"
            continue
        task = asyncio.create_task(send(outcome, requests[index % len(requests)]))
        busy.add(task)
        task.add_done_callback(busy.discard)
    if busy:
        await asyncio.wait(busy, timeout=ANSWER_SECONDS)
    for task in (sampling, *busy):
        task.cancel()
    await asyncio.gather(sampling, *busy, return_exceptions=True)
    for connection in idle:
        connection.close()
    return run
