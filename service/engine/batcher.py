"""Shares a few threads between the queues of all loaded graphs, and makes batches without ever waiting for one.

The moment a thread is free it takes whatever the next queue holds, up to the largest batch. Queues take turns, so
that a busy model cannot starve another. All state belongs to the event loop; only the model runs elsewhere.

With one thread there is nothing to run beside: the model then runs on the event loop itself. A request is not handed
to another thread and back, and whatever arrives while the model runs waits in the sockets and is read in one go, which
makes the next batch.

Explanations run in the background: in short parts, each of which starts only while nobody waits for a prediction.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import numpy as np

from service.engine.arrays import Pixels
from service.engine.idle_work import IdleQueue, Job
from service.engine.postprocess import Outputs
from service.engine.queue import BatchSlice, DisconnectSource, Inference, ModelQueue, PendingRequest
from service.errors import DeadlineExceededError, QueueFullError

clock = time.perf_counter
Result = TypeVar("Result")

READING_TURNS = 2
"""Turns of the loop between two batches that run on it, besides the one in which the next is dispatched."""

ROOM_SECONDS = 0.005
"""How often a full queue is looked through for places of requests that nobody waits for."""

SWEEP_SECONDS = 0.05
"""How often waiting requests are looked through for passed deadlines and clients that hung up."""
ARRIVAL_TURNS = 5
"""Turns of the event loop between two parts of the background on it: a request that came meanwhile needs that many
from its socket to its queue."""


class Batcher:
    """Runs the models of all queues on `threads` threads; used from one event loop."""

    def __init__(
        self, *, threads: int, max_batch: int, queue_size: int, observe_batch: Callable[[ModelQueue, int], None]
    ) -> None:
        """`observe_batch` is told the queue and the number of images of every batch that has run."""
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="model") if threads > 1 else None
        self._free_threads = threads
        self._max_batch = max_batch
        self._queue_size = queue_size
        self._observe_batch = observe_batch
        self._busy_queues: deque[ModelQueue] = deque()
        self._background = IdleQueue(max_running=max(1, threads - 1))
        self._turns_to_wait = 0
        self._dispatch_is_due = False
        self._unanswered: list[PendingRequest] = []
        self._sweeping: asyncio.TimerHandle | None = None

    def check_capacity(self, queue: ModelQueue, images: int = 1) -> None:
        """Refuse before work is spent on a request that would not be taken.

        Raises:
            QueueFullError: the queue has no place for so many images.
        """
        if queue.pending + images <= self._queue_size:
            return
        # Looking for the places of those who have gone takes longer than all the rest of a refusal, which has to be
        # cheap, so a crowd of refusals looks once.
        now = clock()
        if now - queue.looked_for_room >= ROOM_SECONDS:
            queue.looked_for_room = now
            queue.sweep()
            if queue.pending + images <= self._queue_size:
                return
        raise QueueFullError(queue.name, queue.pending, queue.drain_rate.seconds_for(queue.pending))

    def submit(
        self, queue: ModelQueue, images_NHWC: Pixels, deadline: float, client: DisconnectSource | None = None
    ) -> asyncio.Future[Inference]:
        """Queue the images of one request; cancelling the future frees their places.

        Args:
            queue: of the graph that shall answer.
            images_NHWC: uint8 [N, H, W, 3], N >= 1, of the size that the version takes.
            deadline: on the clock of `time.perf_counter`; soon after it the future fails with DeadlineExceededError.
            client: watched from when the request has waited for a while.

        Raises:
            QueueFullError: the queue has no place for so many images.
            DeadlineExceededError: the deadline has passed already.
        """
        self.check_capacity(queue, len(images_NHWC))
        loop = asyncio.get_running_loop()
        now = clock()
        if now >= deadline:
            raise _late()
        future: asyncio.Future[Inference] = loop.create_future()
        request = PendingRequest(images_NHWC, future, now, deadline, client)
        if client is not None:
            client.add(future)
        if not queue.pending and queue not in self._busy_queues:
            self._busy_queues.append(queue)
        queue.put(request)
        self._unanswered.append(request)
        if self._sweeping is None:
            self._sweeping = loop.call_later(SWEEP_SECONDS, self._sweep, loop)
        self._schedule(loop)
        return future

    def run_background(self, call: Callable[[], Result]) -> asyncio.Future[Result]:
        """The result of `call`, made when nobody waits for a model; cancelling the future takes it out of the queue.

        Args:
            call: blocks, and should be short: a request that comes meanwhile may have to wait for its end. With more
                than one thread it runs on one of them, and one is always left to predictions.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        self._background.put(Job(call, future))
        self._schedule(loop)
        return future

    def close(self) -> None:
        """Finish the batches that run; whatever still waits is never answered."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        if self._executor is not None:
            self._executor.shutdown(wait=True, cancel_futures=True)

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        """Dispatch soon, not at once: requests that arrived in the same turn of the loop go into the same batch.

        A model that runs on the loop lets it turn a few times more. What has come in during the last batch is read in
        one turn and taken or refused in the next, and a connection needs one before that; none of them shall wait for
        the end of another batch.
        """
        if not self._dispatch_is_due:
            self._dispatch_is_due = True
            self._turn(loop, 0 if self._executor else READING_TURNS)

    def _turn(self, loop: asyncio.AbstractEventLoop, left: int) -> None:
        if left:
            loop.call_soon(self._turn, loop, left - 1)
        else:
            loop.call_soon(self._dispatch, loop)

    def _dispatch(self, loop: asyncio.AbstractEventLoop) -> None:
        self._dispatch_is_due = False
        while self._free_threads and self._busy_queues:
            queue = self._busy_queues.popleft()
            # Free threads share what waits, so that two images on two idle cores run side by side.
            batch = queue.take(min(self._max_batch, math.ceil(queue.pending / self._free_threads)), clock())
            if queue.pending:
                self._busy_queues.append(queue)
            if not batch:
                continue  # everyone who waited there has gone
            if self._executor is None:
                try:
                    self._run_here(queue, batch)
                finally:
                    # Answers are sent and new requests read before the next batch.
                    if self._busy_queues or self._background.pending:
                        self._turns_to_wait = ARRIVAL_TURNS
                        self._schedule(loop)
                return
            self._free_threads -= 1
            running = loop.run_in_executor(self._executor, _run, queue, batch)
            running.add_done_callback(partial(self._finish, queue, batch, loop))
        self._dispatch_background(loop)

    def _dispatch_background(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._executor is None:
            if self._turns_to_wait:
                self._turns_to_wait -= 1
            elif job := self._background.take():
                job.run()
                self._background.finish(job)
                self._turns_to_wait = ARRIVAL_TURNS
            if self._background.pending:
                self._schedule(loop)
            return
        while self._free_threads and (job := self._background.take()):
            self._free_threads -= 1
            running = loop.run_in_executor(self._executor, job.run)
            running.add_done_callback(partial(self._finish_background, job, loop))

    def _finish_background(self, job: Job[Any], loop: asyncio.AbstractEventLoop, running: asyncio.Future[None]) -> None:
        if running.cancelled():
            return  # closed
        self._free_threads += 1
        self._background.finish(job)
        self._dispatch(loop)

    def _run_here(self, queue: ModelQueue, batch: list[BatchSlice]) -> None:
        try:
            outputs = _run(queue, batch)
        except Exception as error:  # whatever a model raises belongs to the requests of this batch alone
            _fail(queue, batch, error)
        else:
            self._answer(queue, batch, outputs)

    def _finish(
        self,
        queue: ModelQueue,
        batch: list[BatchSlice],
        loop: asyncio.AbstractEventLoop,
        running: asyncio.Future[Outputs],
    ) -> None:
        if running.cancelled():
            return  # closed
        self._free_threads += 1
        self._dispatch(loop)
        error = running.exception()
        if error is not None:
            _fail(queue, batch, error)
        else:
            self._answer(queue, batch, running.result())

    def _answer(self, queue: ModelQueue, batch: list[BatchSlice], outputs: Outputs) -> None:
        now = clock()
        row = 0
        for part in batch:
            count = part.stop - part.start
            part.request.deliver(part.start, outputs.rows(row, row + count), now)
            row += count
        queue.drain_rate.record(row, oldest_queued=min(part.request.queued for part in batch), finished=now)
        self._observe_batch(queue, row)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        """Fail what is late and watch the clients of what waits; at rest when nothing is unanswered."""
        now = clock()
        pending = [request for request in self._unanswered if not request.future.done()]
        for request in pending:
            if now >= request.deadline:
                request.future.set_exception(_late())
            elif request.client is not None and now - request.queued >= SWEEP_SECONDS:
                request.client.watch()
        self._unanswered = pending
        for queue in self._busy_queues:
            queue.sweep()
        self._sweeping = loop.call_later(SWEEP_SECONDS, self._sweep, loop) if pending else None


def _run(queue: ModelQueue, batch: list[BatchSlice]) -> Outputs:
    parts = [part.request.images_NHWC[part.start : part.stop] for part in batch]
    return queue.run(parts[0] if len(parts) == 1 else np.concatenate(parts))


def _fail(queue: ModelQueue, batch: list[BatchSlice], error: BaseException) -> None:
    for part in batch:
        if not part.request.future.done():
            failure = RuntimeError(f"{queue.name} failed on a batch")
            failure.__cause__ = error
            part.request.future.set_exception(failure)


def _late() -> DeadlineExceededError:
    return DeadlineExceededError("the model did not answer before the request's deadline")
