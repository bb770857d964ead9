"""Queues of the batcher: one per graph for predictions, and one for background jobs."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from core.repository.manifest import Precision
from core.tracing.spans import Span
from service.engine.arrays import Pixels
from service.engine.postprocess import Outputs, RunBatch

Result = TypeVar("Result")
NEWEST_WEIGHT = 0.2


@dataclass(frozen=True, slots=True)
class Inference:
    """Model outputs for the images of one request.

    Attributes:
        outputs: row i belongs to image i.
        queue_seconds: from queuing to the start of the first batch.
        run_seconds: from there to the end of the last batch.
    """

    outputs: Outputs
    queue_seconds: float
    run_seconds: float


class DisconnectSource(Protocol):
    """The client connection of a request. Watching it costs a task, so the batcher starts it only for slow requests.

    Attributes:
        address: network address of the client.
    """

    address: str

    def add(self, future: asyncio.Future[Any]) -> None:
        """Register a future of the request; it fails when the client disconnects."""

    def watch(self) -> None:
        """Start watching; repeated calls have no effect."""


class PendingRequest:
    """The images of one request in a queue. A request may be split over several batches."""

    __slots__ = (
        *("_answered", "_parts", "client", "deadline", "future", "images_NHWC", "queued", "span", "started", "taken"),
    )

    def __init__(
        self,
        images_NHWC: Pixels,
        future: asyncio.Future[Inference],
        queued: float,
        deadline: float,
        client: DisconnectSource | None,
        span: Span | None = None,
    ) -> None:
        """`span` is that of the HTTP request, if it is sampled."""
        self.images_NHWC = images_NHWC
        self.future = future
        self.queued = queued
        self.deadline = deadline
        self.client = client
        self.span = span
        self.started = 0.0
        self.taken = 0
        self._answered = 0
        self._parts: list[tuple[int, Outputs]] = []

    @property
    def pending(self) -> int:
        """Number of images that are not in a batch yet."""
        return len(self.images_NHWC) - self.taken

    def deliver(self, start: int, outputs: Outputs, now: float) -> None:
        """Store the outputs of the images from `start` on; the last delivery resolves the future."""
        if self.future.done():
            return
        self._parts.append((start, outputs))
        self._answered += len(outputs.energies)
        if self._answered == len(self.images_NHWC):
            # With several threads, the batches of one request can finish out of order.
            self._parts.sort(key=lambda part: part[0])
            outputs = Outputs.joined([part for _, part in self._parts])
            self.future.set_result(Inference(outputs, self.started - self.queued, now - self.started))


@dataclass(frozen=True, slots=True)
class BatchSlice:
    """Images start..stop of a request, as part of one batch."""

    request: PendingRequest
    start: int
    stop: int


class DrainRate:
    """Drain rate of one queue in seconds per image: an exponentially weighted mean over its batches.

    The time of a batch begins when the previous batch ended, or when its oldest image was queued if that is later.
    Time spent waiting for other models therefore counts, and idle time does not.
    """

    def __init__(self, seconds_per_image: float) -> None:
        self._seconds_per_image = seconds_per_image
        self._last_finish = 0.0

    def record(self, images: int, *, oldest_queued: float, finished: float) -> None:
        """Record one finished batch; both times are seconds of one monotonic clock."""
        elapsed = max(0.0, finished - max(self._last_finish, oldest_queued))
        self._last_finish = finished
        self._seconds_per_image += NEWEST_WEIGHT * (elapsed / images - self._seconds_per_image)

    def seconds_for(self, images: int) -> float:
        """Expected seconds until `images` queued images have left the queue."""
        return images * self._seconds_per_image


class ModelQueue:
    """First-in, first-out queue of one graph.

    Attributes:
        family, version, precision: the graph.
        run: runs the graph on a batch.
        pending: number of images in the queue.
        drain_rate: measured throughput.
        last_sweep: time of the last sweep that was made because the queue was full.
    """

    def __init__(
        self, family: str, version: int, run: RunBatch, seconds_per_image: float, precision: Precision = "fp32"
    ) -> None:
        self.family = family
        self.version = version
        self.precision = precision
        self.run = run
        self.pending = 0
        self.last_sweep = -math.inf
        self.drain_rate = DrainRate(seconds_per_image)
        self._requests: deque[PendingRequest] = deque()

    @property
    def name(self) -> str:
        """Reference of the version, such as `cnn@3`."""
        return f"{self.family}@{self.version}"

    def put(self, request: PendingRequest) -> None:
        """Queue a request."""
        self.pending += request.pending
        self._requests.append(request)

    def take(self, max_images: int, now: float) -> list[BatchSlice]:
        """Remove and return the oldest images, at most `max_images`, in order; empty if the queue is empty."""
        batch: list[BatchSlice] = []
        requests = self._requests
        while max_images > 0 and requests:
            request = requests[0]
            count = request.pending
            if request.future.done():  # cancelled or failed
                self.pending -= count
                request.taken += count
                requests.popleft()
                continue
            if count > max_images:
                count = max_images
            else:
                requests.popleft()
            if not request.taken:
                request.started = now
            batch.append(BatchSlice(request, request.taken, request.taken + count))
            request.taken += count
            self.pending -= count
            max_images -= count
        return batch

    def sweep(self) -> None:
        """Remove requests whose future is done (cancelled, expired or disconnected)."""
        requests, self._requests = self._requests, deque()
        for request in requests:
            if request.future.done():
                self.pending -= request.pending
                request.taken = len(request.images_NHWC)
            else:
                self._requests.append(request)


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
