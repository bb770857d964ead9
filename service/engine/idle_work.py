"""Work that runs where the models run, but only while no prediction waits for them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

Result = TypeVar("Result")


class Job(Generic[Result]):
    """One short call and the future that waits for its result."""

    def __init__(self, call: Callable[[], Result], future: asyncio.Future[Result]) -> None:
        self.future = future
        self._call = call
        self._results: list[Result] = []
        self._error: Exception | None = None

    def run(self) -> None:
        """Call it, on whatever thread; blocks."""
        try:
            self._results.append(self._call())
        except Exception as error:  # whatever it raises belongs to the one who waits for it
            self._error = error

    def deliver(self) -> None:
        """Resolve the future, on the event loop, unless nobody waits any more."""
        if self.future.done():
            return
        if self._error is not None:
            self.future.set_exception(self._error)
        else:
            self.future.set_result(self._results[0])


class IdleQueue:
    """First come, first served; not more than a few at a time."""

    def __init__(self, *, max_running: int) -> None:
        self._most_running = max_running
        self._running = 0
        self._jobs: deque[Job[Any]] = deque()

    @property
    def pending(self) -> bool:
        """Whether a job could run now."""
        return bool(self._jobs) and self._running < self._most_running

    def put(self, job: Job[Result]) -> None:
        """Queue a job; it is never run once its future is done."""
        self._jobs.append(job)

    def take(self) -> Job[Any] | None:
        """The oldest job that somebody still waits for, where one may run now; `finish` it afterwards."""
        while self.pending:
            job = self._jobs.popleft()
            if not job.future.done():
                self._running += 1
                return job
        return None

    def finish(self, job: Job[Any]) -> None:
        """It has run: deliver its result."""
        self._running -= 1
        job.deliver()
