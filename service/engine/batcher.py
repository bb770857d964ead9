"""Shares a few threads between the queues of all loaded versions, and makes batches without ever waiting for one.

The moment a thread is free it takes whatever the next queue holds, up to the largest batch. Queues take turns, so
that a busy model cannot starve another. All state belongs to the event loop; only the model runs on a thread.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np

from service.engine.arrays import Floats, Pixels
from service.engine.lane import Inference, Lane, Slice, Ticket
from service.errors import DeadlineExceededError, QueueFullError

clock = time.perf_counter


class Batcher:
    """Runs the models of all lanes on `threads` threads; used from one event loop."""

    def __init__(
        self, *, threads: int, max_batch: int, queue_size: int, observe_batch: Callable[[Lane, int], None]
    ) -> None:
        """`observe_batch` is told the lane and the number of images of every batch that has run."""
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="model")
        self._free_threads = threads
        self._max_batch = max_batch
        self._queue_size = queue_size
        self._observe_batch = observe_batch
        self._busy_lanes: deque[Lane] = deque()
        self._dispatch_is_due = False

    def check_room(self, lane: Lane, images: int = 1) -> None:
        """Refuse before work is spent on a request that would not be taken.

        Raises:
            QueueFullError: the lane has no place for so many images.
        """
        if lane.waiting + images > self._queue_size:
            raise QueueFullError(lane.name, lane.waiting, lane.throughput.seconds_for(lane.waiting))

    def submit(self, lane: Lane, images_NHWC: Pixels, deadline: float) -> asyncio.Future[Inference]:
        """Queue the images of one request; cancelling the future frees their places.

        Args:
            lane: of the version that shall answer.
            images_NHWC: uint8 [N, H, W, 3], N >= 1, of the size that the version takes.
            deadline: on the clock of `time.perf_counter`; the future fails with DeadlineExceededError past it.

        Raises:
            QueueFullError: the lane has no place for so many images.
        """
        self.check_room(lane, len(images_NHWC))
        loop = asyncio.get_running_loop()
        now = clock()
        future: asyncio.Future[Inference] = loop.create_future()
        timer = loop.call_later(max(0.0, deadline - now), _expire, future, lane.name)
        future.add_done_callback(lambda _: timer.cancel())
        if lane not in self._busy_lanes:
            self._busy_lanes.append(lane)
        lane.put(Ticket(images_NHWC, future, now))
        if not self._dispatch_is_due:
            # Not at once: requests that arrived in the same turn of the loop go into the same batch.
            self._dispatch_is_due = True
            loop.call_soon(self._dispatch)
        return future

    def close(self) -> None:
        """Finish the batches that run; whatever still waits is never answered."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _dispatch(self) -> None:
        self._dispatch_is_due = False
        loop = asyncio.get_running_loop()
        while self._free_threads and self._busy_lanes:
            lane = self._busy_lanes.popleft()
            # Free threads share what waits, so that two images on two idle cores run side by side.
            batch = lane.take(min(self._max_batch, math.ceil(lane.waiting / self._free_threads)), clock())
            if not batch:
                continue  # everyone who waited there has gone
            if lane.waiting:
                self._busy_lanes.append(lane)
            self._free_threads -= 1
            running = loop.run_in_executor(self._executor, _run, lane, batch)
            running.add_done_callback(partial(self._finish, lane, batch))

    def _finish(self, lane: Lane, batch: list[Slice], running: asyncio.Future[Floats]) -> None:
        if running.cancelled():
            return  # closed
        self._free_threads += 1
        self._dispatch()
        now = clock()
        error = running.exception()
        if error is not None:
            _fail(lane, batch, error)
            return
        _scatter(batch, running.result(), now)
        images = sum(part.stop - part.start for part in batch)
        lane.throughput.record(images, oldest_queued=min(part.ticket.queued for part in batch), finished=now)
        self._observe_batch(lane, images)


def _run(lane: Lane, batch: list[Slice]) -> Floats:
    parts = [part.ticket.images_NHWC[part.start : part.stop] for part in batch]
    return lane.run(parts[0] if len(parts) == 1 else np.concatenate(parts))


def _scatter(batch: list[Slice], logits_NK: Floats, now: float) -> None:
    row = 0
    for part in batch:
        count = part.stop - part.start
        part.ticket.answer(part.start, logits_NK[row : row + count], now)
        row += count


def _fail(lane: Lane, batch: list[Slice], error: BaseException) -> None:
    for part in batch:
        if not part.ticket.future.done():
            failure = RuntimeError(f"{lane.name} failed on a batch")
            failure.__cause__ = error
            part.ticket.future.set_exception(failure)


def _expire(future: asyncio.Future[Inference], name: str) -> None:
    if not future.done():
        future.set_exception(DeadlineExceededError(f"{name} did not answer before the request's deadline"))
