"""The queue of one model version: who waits, in which order, and which rows go into the next batch."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

import numpy as np

from service.engine.arrays import Floats, Pixels, RunModel
from service.engine.throughput import Throughput


@dataclass(frozen=True)
class Inference:
    """The model's answer to the images of one request.

    Attributes:
        logits_NK: float32, row i answers image i.
        queue_seconds: from being queued to the start of its first batch.
        run_seconds: from there to the end of its last batch.
    """

    logits_NK: Floats
    queue_seconds: float
    run_seconds: float


class Ticket:
    """The images of one request on their way through a lane, perhaps in several batches."""

    def __init__(self, images_NHWC: Pixels, future: asyncio.Future[Inference], queued: float) -> None:
        self.images_NHWC = images_NHWC
        self.future = future
        self.queued = queued
        self.started: float | None = None
        self.taken = 0
        self._answered = 0
        self._logits_NK: Floats | None = None

    @property
    def waiting(self) -> int:
        """Images that no batch has taken yet; none once nobody waits for the answer."""
        return 0 if self.future.done() else len(self.images_NHWC) - self.taken

    def answer(self, start: int, logits_MK: Floats, now: float) -> None:
        """Rows start..start+M are known; resolves the future with the last of them."""
        if self.future.done():
            return
        if self._logits_NK is None:
            self._logits_NK = np.empty((len(self.images_NHWC), logits_MK.shape[1]), np.float32)
        self._logits_NK[start : start + len(logits_MK)] = logits_MK
        self._answered += len(logits_MK)
        if self._answered == len(self.images_NHWC):
            started = now if self.started is None else self.started
            self.future.set_result(Inference(self._logits_NK, started - self.queued, now - started))


@dataclass(frozen=True)
class Slice:
    """Images start..stop of a ticket, as a part of one batch."""

    ticket: Ticket
    start: int
    stop: int


class Lane:
    """First come, first served, for one version of a model.

    Attributes:
        family, version: whose queue it is.
        run: the model.
        waiting: images in the queue.
        throughput: how fast it drains.
    """

    def __init__(self, family: str, version: int, run: RunModel, seconds_per_image: float) -> None:
        self.family = family
        self.version = version
        self.run = run
        self.waiting = 0
        self.throughput = Throughput(seconds_per_image)
        self._tickets: deque[Ticket] = deque()

    @property
    def name(self) -> str:
        """The version's reference, such as `cnn@3`."""
        return f"{self.family}@{self.version}"

    def put(self, ticket: Ticket) -> None:
        """Queue a ticket; its places are free again the moment its future is cancelled or fails."""
        self.waiting += ticket.waiting
        self._tickets.append(ticket)
        ticket.future.add_done_callback(lambda _: self._release(ticket))

    def take(self, most: int, now: float) -> list[Slice]:
        """The oldest waiting images, at most `most`, in order; empty when nobody waits."""
        batch: list[Slice] = []
        while most > 0 and self._tickets:
            ticket = self._tickets[0]
            count = min(most, ticket.waiting)
            if count:
                ticket.started = now if ticket.started is None else ticket.started
                batch.append(Slice(ticket, ticket.taken, ticket.taken + count))
                ticket.taken += count
                self.waiting -= count
                most -= count
            if not ticket.waiting:
                self._tickets.popleft()
        return batch

    def _release(self, ticket: Ticket) -> None:
        self.waiting -= len(ticket.images_NHWC) - ticket.taken
        ticket.taken = len(ticket.images_NHWC)
