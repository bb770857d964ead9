"""The open loop: requests are sent at times fixed beforehand, whatever becomes of those before them.

That is how the outside world behaves, and it is what a closed loop cannot show: there, a server that slows down is
also sent less. A latency counts from the time the request was due, so neither a late answer nor a late generator can
hide (no coordinated omission).

The generator keeps up: 10,000 requests/s to the trivial server are all answered, half of them within 4 ms.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from benchmarks.serving.connection import Connection, connect, run_loop
from benchmarks.serving.messages import Answer

Seconds = npt.NDArray[np.float64]
OPENED_CONNECTIONS = 512
MAX_CONNECTIONS = 2048
ANSWER_SECONDS = 15.0
WATCH_SECONDS = 0.2

clock = time.perf_counter


def poisson_arrivals(per_second: float, seconds: float, *, seed: int) -> Seconds:
    """When each request is due, in seconds from the start, ascending and below `seconds`; gaps are exponential."""
    generator = np.random.default_rng(seed)
    expected = per_second * seconds
    gaps = generator.exponential(1 / per_second, int(expected + 10 * expected**0.5 + 10))
    due = np.cumsum(gaps)
    return due[due < seconds]


@dataclass(slots=True)
class Outcome:
    """What became of one request; times are in seconds from the start of the run.

    `answer` is None where there was none: `problem` then says why.
    """

    due: float
    sent: float = float("nan")
    ended: float = float("nan")
    answer: Answer | None = None
    problem: str | None = "never answered"


@dataclass
class OpenRun:
    """The outcomes in the order they were due, and what `watch` returned, with its times, all the while."""

    outcomes: list[Outcome]
    watched: list[tuple[float, float]] = field(default_factory=list)


def open_load(port: int, requests: Sequence[bytes], due: Seconds, *, watch: Callable[[], float]) -> OpenRun:
    """Send a request at each time of `due`, over keep-alive connections.

    Most are opened beforehand, as clients that come again have theirs; where all are busy, more are opened.

    Args:
        port: of the server.
        requests: sent in turn.
        due: seconds from the start, ascending.
        watch: called every fifth of a second; must be quick.

    Raises:
        OSError: the server cannot be reached before the first request is due.
    """
    gc.collect()
    gc.disable()
    try:
        return run_loop(_OpenLoop(port, requests, due).run(watch))
    finally:
        gc.enable()


class _OpenLoop:
    def __init__(self, port: int, requests: Sequence[bytes], due: Seconds) -> None:
        self._port = port
        self._requests = requests
        self._run = OpenRun([Outcome(float(moment)) for moment in due])
        self._idle: deque[Connection] = deque()
        self._busy: dict[Connection, Outcome] = {}
        self._opening: set[asyncio.Task[None]] = set()
        self._started = 0.0

    async def run(self, watch: Callable[[], float]) -> OpenRun:
        opened = (connect(self._port, self._answered, self._failed) for _ in range(OPENED_CONNECTIONS))
        self._idle += await asyncio.gather(*opened)
        self._started = clock()
        watcher = asyncio.get_running_loop().create_task(self._watch(watch))
        try:
            for index, outcome in enumerate(self._run.outcomes):
                if index % 32 == 0:
                    await asyncio.sleep(0)  # where it is late, answers must be read all the same
                while (ahead := outcome.due - self._now()) > 0:  # noqa: ASYNC110  a schedule, not an event
                    await asyncio.sleep(ahead)  # which may return a little early
                self._send(outcome, self._requests[index % len(self._requests)])
            end = self._now() + ANSWER_SECONDS
            while (self._busy or self._opening) and self._now() < end:  # noqa: ASYNC110  many answers, not one event
                await asyncio.sleep(0.01)
        finally:
            watcher.cancel()
            for task in self._opening:
                task.cancel()
            for connection in (*self._busy, *self._idle):
                connection.close()
        return self._run

    def _now(self) -> float:
        return clock() - self._started

    def _send(self, outcome: Outcome, request: bytes) -> None:
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                self._send_over(connection, outcome, request)
                return
        if len(self._busy) + len(self._opening) >= MAX_CONNECTIONS:
            outcome.problem = f"not sent: {MAX_CONNECTIONS} requests are unanswered"
            return
        task = asyncio.get_running_loop().create_task(self._send_over_new(outcome, request))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _send_over_new(self, outcome: Outcome, request: bytes) -> None:
        try:
            connection = await connect(self._port, self._answered, self._failed)
        except OSError as error:
            outcome.problem = f"no connection: {type(error).__name__}"
            return
        self._send_over(connection, outcome, request)

    def _send_over(self, connection: Connection, outcome: Outcome, request: bytes) -> None:
        outcome.sent = self._now()
        self._busy[connection] = outcome
        connection.send(request)

    def _answered(self, connection: Connection, answer: Answer) -> None:
        outcome = self._busy.pop(connection)
        outcome.ended, outcome.answer, outcome.problem = self._now(), answer, None
        if connection.usable:
            self._idle.append(connection)

    def _failed(self, connection: Connection, problem: str) -> None:
        outcome = self._busy.pop(connection)
        outcome.ended, outcome.problem = self._now(), problem

    async def _watch(self, watch: Callable[[], float]) -> None:
        while True:
            self._run.watched.append((self._now(), watch()))
            await asyncio.sleep(WATCH_SECONDS)
