"""Queue of one graph for predictions, which callers share fairly, and its requests."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from dataclasses import dataclass
from typing import Any, Protocol

from core.repository.manifest import Precision
from core.tracing.spans import Span
from service.engine.arrays import Pixels
from service.engine.fair_share import FairShare
from service.engine.postprocess import Outputs, RunBatch

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
        caller: id of the API key, or the network address without one; callers share the models fairly.
    """

    caller: str

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
    def caller(self) -> str:
        """See `DisconnectSource`; empty without a client."""
        return "" if self.client is None else self.client.caller

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


class CallerQueue:
    """Requests of one caller in a queue, first in, first out; `pending` is their number of images."""

    __slots__ = ("pending", "requests")

    def __init__(self) -> None:
        self.pending = 0
        self.requests: deque[PendingRequest] = deque()

    def take(self, max_images: int, now: float, batch: list[BatchSlice]) -> int:
        """Move the oldest images to the batch, at most `max_images`; return their number."""
        requests, left = self.requests, max_images
        while left > 0 and requests:
            request = requests[0]
            count = request.pending
            if request.future.done():  # cancelled or failed
                self.pending -= count
                request.taken += count
                requests.popleft()
                continue
            if count > left:
                count = left
            else:
                requests.popleft()
            if not request.taken:
                request.started = now
            batch.append(BatchSlice(request, request.taken, request.taken + count))
            request.taken += count
            self.pending -= count
            left -= count
        return max_images - left

    def sweep(self) -> None:
        """Remove requests whose future is done."""
        requests, self.requests = self.requests, deque()
        for request in requests:
            if request.future.done():
                self.pending -= request.pending
                request.taken = len(request.images_NHWC)
            else:
                self.requests.append(request)


class ModelQueue:
    """Queue of one graph, which callers share fairly.

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
        self._callers: dict[str, CallerQueue] = {}

    @property
    def name(self) -> str:
        """Reference of the version, such as `cnn@3`."""
        return f"{self.family}@{self.version}"

    def pending_of(self, caller: str) -> int:
        """Number of images of a caller in the queue."""
        own = self._callers.get(caller)
        return 0 if own is None else own.pending

    def virtual_time(self, share: FairShare) -> float:
        """Lowest virtual time of the callers with requests in the queue."""
        return min(map(share.virtual_time, self._callers), default=math.inf)

    def put(self, request: PendingRequest) -> None:
        """Queue a request."""
        caller = request.caller
        own = self._callers.get(caller)
        if own is None:
            own = self._callers[caller] = CallerQueue()
        self.pending += request.pending
        own.pending += request.pending
        own.requests.append(request)

    def take(self, max_images: int, now: float, share: FairShare) -> list[BatchSlice]:
        """Remove and return up to `max_images`, first those of the callers that have received the least model time.

        The images of each caller are in order. Empty if the queue is empty.
        """
        batch: list[BatchSlice] = []
        seconds = self.drain_rate.seconds_for(1)
        per_caller = share.images_per_turn(seconds, max_images, now)
        callers = list(self._callers) if len(self._callers) < 2 else sorted(self._callers, key=share.virtual_time)
        for caller in callers:
            if max_images <= 0 or (batch and share.is_ahead(caller)):
                break
            own = self._callers[caller]
            before = own.pending
            if not batch:
                share.advance(caller)
            taken = own.take(min(per_caller, max_images), now, batch)
            share.charge(caller, taken * seconds)
            self.pending -= before - own.pending
            max_images -= taken
            if not own.requests:
                del self._callers[caller]
        return batch

    def room_for(self, caller: str, images: int) -> int:
        """Number of images that `displace` would remove for a caller that would have `images` in the queue."""
        others = (own.pending for name, own in self._callers.items() if name != caller)
        return sum(max(0, pending - images) for pending in others)

    def displace(self) -> PendingRequest:
        """Remove and return the newest request of the caller with the most images."""
        largest = max(self._callers, key=lambda name: self._callers[name].pending)
        own = self._callers[largest]
        request = own.requests.pop()
        own.pending -= request.pending
        self.pending -= request.pending
        request.taken = len(request.images_NHWC)
        if not own.requests:
            del self._callers[largest]
        return request

    def sweep(self) -> None:
        """Remove requests whose future is done (cancelled, expired or disconnected)."""
        for caller, own in list(self._callers.items()):
            own.sweep()
            if not own.requests:
                del self._callers[caller]
        self.pending = sum(own.pending for own in self._callers.values())
