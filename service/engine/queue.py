"""The queue of one graph of a model version: who waits, in which order, and which rows go into the next batch."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from dataclasses import dataclass
from typing import Any, Protocol

from core.repository.manifest import Precision
from service.engine.arrays import Pixels
from service.engine.drain_rate import DrainRate
from service.engine.postprocess import Outputs, RunBatch


@dataclass(frozen=True, slots=True)
class Inference:
    """The model's answer to the images of one request.

    Attributes:
        outputs: row i answers image i.
        queue_seconds: from being queued to the start of its first batch.
        run_seconds: from there to the end of its last batch.
    """

    outputs: Outputs
    queue_seconds: float
    run_seconds: float


class DisconnectSource(Protocol):
    """The client of a request; watching it costs something, so it begins once the request has waited a while."""

    def add(self, future: asyncio.Future[Any]) -> None:
        """One of the request's futures, to be failed when the client hangs up."""

    def watch(self) -> None:
        """Begin to watch; more than one call is one."""


class PendingRequest:
    """The images of one request on their way through a queue, perhaps in several batches."""

    __slots__ = ("_answered", "_parts", "client", "deadline", "future", "images_NHWC", "queued", "started", "taken")

    def __init__(
        self,
        images_NHWC: Pixels,
        future: asyncio.Future[Inference],
        queued: float,
        deadline: float,
        client: DisconnectSource | None,
    ) -> None:
        self.images_NHWC = images_NHWC
        self.future = future
        self.queued = queued
        self.deadline = deadline
        self.client = client
        self.started = 0.0
        self.taken = 0
        self._answered = 0
        self._parts: list[tuple[int, Outputs]] = []

    @property
    def pending(self) -> int:
        """Images that no batch has taken yet."""
        return len(self.images_NHWC) - self.taken

    def deliver(self, start: int, outputs: Outputs, now: float) -> None:
        """Rows from `start` on are known; resolves the future with the last of them."""
        if self.future.done():
            return
        self._parts.append((start, outputs))
        self._answered += len(outputs.energies)
        if self._answered == len(self.images_NHWC):
            # Batches of one request can end in another order than they began, on several threads.
            self._parts.sort(key=lambda part: part[0])
            whole = Outputs.joined([part for _, part in self._parts])
            self.future.set_result(Inference(whole, self.started - self.queued, now - self.started))


@dataclass(frozen=True, slots=True)
class BatchSlice:
    """Images start..stop of a request, as a part of one batch."""

    request: PendingRequest
    start: int
    stop: int


class ModelQueue:
    """First come, first served, for one graph.

    Attributes:
        family, version, precision: whose queue it is.
        run: the model.
        pending: images in the queue.
        drain_rate: how fast it drains.
        looked_for_room: when, being full, it was last looked through for places of those who have gone.
    """

    def __init__(
        self, family: str, version: int, run: RunBatch, seconds_per_image: float, precision: Precision = "fp32"
    ) -> None:
        self.family = family
        self.version = version
        self.precision = precision
        self.run = run
        self.pending = 0
        self.looked_for_room = -math.inf
        self.drain_rate = DrainRate(seconds_per_image)
        self._requests: deque[PendingRequest] = deque()

    @property
    def name(self) -> str:
        """The version's reference, such as `cnn@3`."""
        return f"{self.family}@{self.version}"

    def put(self, request: PendingRequest) -> None:
        """Queue a request."""
        self.pending += request.pending
        self._requests.append(request)

    def take(self, max_images: int, now: float) -> list[BatchSlice]:
        """The oldest waiting images, at most `max_images`, in order; empty when nobody waits."""
        batch: list[BatchSlice] = []
        requests = self._requests
        while max_images > 0 and requests:
            request = requests[0]
            count = request.pending
            if request.future.done():  # nobody waits for it any more
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
        """Free the places of requests that nobody waits for any more."""
        requests, self._requests = self._requests, deque()
        for request in requests:
            if request.future.done():
                self.pending -= request.pending
                request.taken = len(request.images_NHWC)
            else:
                self._requests.append(request)
