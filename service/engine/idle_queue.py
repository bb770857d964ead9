"""Queue of background jobs, which the batcher runs while no prediction waits."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

Result = TypeVar("Result")


class Job(Generic[Result]):
    """A short call and the future of its result."""

    def __init__(self, call: Callable[[], Result], future: asyncio.Future[Result]) -> None:
        self.future = future
        self._call = call
        self._results: list[Result] = []
        self._error: Exception | None = None

    def run(self) -> None:
        """Run the call on the current thread; blocks."""
        try:
            self._results.append(self._call())
        except Exception as error:  # any error is raised where the future is awaited
            self._error = error

    def deliver(self) -> None:
        """Resolve the future if it is still pending; call it on the event loop."""
        if self.future.done():
            return
        if self._error is not None:
            self.future.set_exception(self._error)
        else:
            self.future.set_result(self._results[0])


class IdleQueue:
    """First-in, first-out queue of background jobs with a limit on concurrent jobs."""

    def __init__(self, *, max_running: int) -> None:
        self._max_running = max_running
        self._running = 0
        self._jobs: deque[Job[Any]] = deque()

    @property
    def pending(self) -> bool:
        """True if a job is queued and fewer than `max_running` jobs run."""
        return bool(self._jobs) and self._running < self._max_running

    def put(self, job: Job[Result]) -> None:
        """Queue a job; it is skipped if its future is done before it starts."""
        self._jobs.append(job)

    def take(self) -> Job[Any] | None:
        """Remove and return the oldest job with a pending future, or None; call `finish` after it has run."""
        while self.pending:
            job = self._jobs.popleft()
            if not job.future.done():
                self._running += 1
                return job
        return None

    def finish(self, job: Job[Any]) -> None:
        """Deliver the result of a job that has run."""
        self._running -= 1
        job.deliver()
