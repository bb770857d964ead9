"""Batcher: runs the queues of all loaded graphs on a few threads, without waiting to fill a batch.

As soon as a thread is free, it runs the pending images of the next queue, up to the largest batch size. The queue of
the caller that has received the least model time is next, and queues of the same caller take turns. All state belongs
to the event loop; only the models run on threads.

With one thread, models run on the event loop itself. This saves the hand-over of each request to another thread, and
requests that arrive during a run wait in the socket buffers and form the next batch.

Background work, such as explanations, runs in short jobs that start only while no prediction is pending.
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

from core.tracing.spans import active_span
from service.engine.arrays import Pixels
from service.engine.batch import fail_batch, record_batch, record_drop, run_batch
from service.engine.fair_share import FairShare
from service.engine.idle_queue import IdleQueue, Job
from service.engine.postprocess import Outputs
from service.engine.queue import BatchSlice, DisconnectSource, Inference, ModelQueue, PendingRequest
from service.errors import DeadlineExceededError, QueueFullError

clock = time.perf_counter
Result = TypeVar("Result")

READING_TURNS = 2
"""Turns of the event loop between two batches that run on it, not counting the turn that dispatches the batch."""

FULL_SWEEP_SECONDS = 0.005
"""Minimum time between two sweeps of a full queue."""

SWEEP_SECONDS = 0.05
"""Interval of the sweep for expired requests and disconnected clients."""

ARRIVAL_TURNS = 5
"""Turns of the event loop between two background jobs on it: the number that a new request needs from its socket to
its queue."""


class Batcher:
    """Runs the models of all queues on `threads` threads; used from one event loop."""

    def __init__(
        self, *, threads: int, max_batch: int, queue_size: int, observe_batch: Callable[[ModelQueue, int], None]
    ) -> None:
        """`observe_batch` is called with the queue and the number of images of every finished batch."""
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="model") if threads > 1 else None
        self._free_threads = threads
        self._max_batch = max_batch
        self._queue_size = queue_size
        self._observe_batch = observe_batch
        self._busy_queues: deque[ModelQueue] = deque()
        self._share = FairShare()
        self._background = IdleQueue(max_running=max(1, threads - 1))
        self._turns_to_wait = 0
        self._dispatch_is_due = False
        self._unanswered: list[PendingRequest] = []
        self._sweeping: asyncio.TimerHandle | None = None

    def check_capacity(
        self, queue: ModelQueue, caller: str = "", images: int = 1, *, admitted: int = 0, admitted_of_caller: int = 0
    ) -> None:
        """Check that a queue has room for the images of a caller.

        In a full queue, a caller that would have less than the largest share displaces requests of other callers.

        Args:
            queue: queue of the graph.
            caller: see `DisconnectSource`.
            images: number of images to queue.
            admitted: number of images that are not queued yet, but were admitted before these.
            admitted_of_caller: number of them that the caller sends.

        Raises:
            QueueFullError: it has too little room.
        """
        if queue.pending + admitted + images <= self._queue_size:
            return
        # A sweep may free places, but it costs more than the rest of a refusal, so sweeps are limited in rate.
        now = clock()
        if now - queue.last_sweep >= FULL_SWEEP_SECONDS:
            queue.last_sweep = now
            queue.sweep()
        missing = queue.pending + admitted + images - self._queue_size
        if missing <= 0 or missing <= queue.room_for(caller, queue.pending_of(caller) + admitted_of_caller + images):
            return
        raise self._full(queue)

    def submit(
        self, queue: ModelQueue, images_NHWC: Pixels, deadline: float, client: DisconnectSource | None = None
    ) -> asyncio.Future[Inference]:
        """Queue the images of one request; cancelling the future removes them from the queue.

        Args:
            queue: queue of the graph.
            images_NHWC: uint8 [N, H, W, 3], N >= 1, of the input size of the model.
            deadline: on the clock of `time.perf_counter`; soon after it the future fails with DeadlineExceededError.
            client: watched for a disconnect once the request has waited for SWEEP_SECONDS.

        Raises:
            QueueFullError: the queue has no room for the images.
            DeadlineExceededError: the deadline has already passed.
        """
        caller = "" if client is None else client.caller
        self.check_capacity(queue, caller, len(images_NHWC))
        loop = asyncio.get_running_loop()
        now = clock()
        if now >= deadline:
            raise _expired()
        while queue.pending + len(images_NHWC) > self._queue_size:
            displaced = queue.displace()
            if not displaced.future.done():
                displaced.future.set_exception(full := self._full(queue))
                record_drop(displaced, now, full)
        future: asyncio.Future[Inference] = loop.create_future()
        request = PendingRequest(images_NHWC, future, now, deadline, client, active_span.get())
        self._share.arrive(caller, now)
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
        """Run `call` when no prediction is pending; cancelling the future removes it from the queue.

        Args:
            call: blocking, but short, because a prediction may have to wait for it. With several threads it runs on
                one of them, and at least one thread remains free for predictions.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        self._background.put(Job(call, future))
        self._schedule(loop)
        return future

    def close(self) -> None:
        """Finish the running batches; pending requests are dropped."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        if self._executor is not None:
            self._executor.shutdown(wait=True, cancel_futures=True)

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        """Dispatch in a later turn of the loop, so that requests that arrive in the same turn share a batch.

        If models run on the loop, it turns a few more times first: new connections are accepted in one turn, requests
        are read in the next and admitted or refused in the one after. None of them should wait for another batch. With
        several callers, it turns until all of them are in the queue: the batch may not have the oldest images.
        """
        if not self._dispatch_is_due:
            self._dispatch_is_due = True
            turns = ARRIVAL_TURNS if self._share.is_shared(clock()) else READING_TURNS
            self._turn(loop, 0 if self._executor else turns)

    def _turn(self, loop: asyncio.AbstractEventLoop, left: int) -> None:
        if left:
            loop.call_soon(self._turn, loop, left - 1)
        else:
            loop.call_soon(self._dispatch, loop)

    def _dispatch(self, loop: asyncio.AbstractEventLoop) -> None:
        self._dispatch_is_due = False
        while self._free_threads and self._busy_queues:
            queue = self._next_queue()
            # Pending images are shared between the free threads: two images on two idle cores run in parallel.
            max_images = min(self._max_batch, math.ceil(queue.pending / self._free_threads))
            now = clock()
            batch = queue.take(max_images, now, self._share)
            if queue.pending:
                self._busy_queues.append(queue)
            if not batch:
                continue  # all of its requests were cancelled
            if self._executor is None:
                try:
                    self._run_here(queue, batch, now)
                finally:
                    # Send responses and read new requests before the next batch.
                    if self._busy_queues or self._background.pending:
                        self._turns_to_wait = ARRIVAL_TURNS
                        self._schedule(loop)
                return
            self._free_threads -= 1
            running = loop.run_in_executor(self._executor, run_batch, queue, batch)
            running.add_done_callback(partial(self._finish, queue, batch, now, loop))
        self._dispatch_background(loop)

    def _next_queue(self) -> ModelQueue:
        """Remove and return the queue of the caller with the lowest virtual time; equal ones take turns."""
        queues = self._busy_queues
        if len(queues) == 1:
            return queues.popleft()
        queue = min(queues, key=lambda each: each.virtual_time(self._share))
        queues.remove(queue)
        return queue

    def _full(self, queue: ModelQueue) -> QueueFullError:
        return QueueFullError(queue.name, queue.pending, queue.drain_rate.seconds_for(queue.pending))

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

    def _run_here(self, queue: ModelQueue, batch: list[BatchSlice], started: float) -> None:
        try:
            outputs = run_batch(queue, batch)
        except Exception as error:  # fails only the requests of this batch
            fail_batch(queue, batch, error, started, clock())
        else:
            self._deliver(queue, batch, outputs, started)

    def _finish(
        self,
        queue: ModelQueue,
        batch: list[BatchSlice],
        started: float,
        loop: asyncio.AbstractEventLoop,
        running: asyncio.Future[Outputs],
    ) -> None:
        if running.cancelled():
            return  # closed
        self._free_threads += 1
        self._dispatch(loop)
        error = running.exception()
        if error is not None:
            fail_batch(queue, batch, error, started, clock())
        else:
            self._deliver(queue, batch, running.result(), started)

    def _deliver(self, queue: ModelQueue, batch: list[BatchSlice], outputs: Outputs, started: float) -> None:
        now = clock()
        row = 0
        for part in batch:
            count = part.stop - part.start
            part.request.deliver(part.start, outputs.rows(row, row + count), now)
            row += count
        queue.drain_rate.record(row, oldest_queued=min(part.request.queued for part in batch), finished=now)
        self._observe_batch(queue, row)
        record_batch(queue, batch, started, outputs.started)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        """Fail expired requests and watch the clients of slow ones; not rescheduled when no request is unanswered."""
        now = clock()
        pending = [request for request in self._unanswered if not request.future.done()]
        for request in pending:
            if now >= request.deadline:
                request.future.set_exception(expired := _expired())
                record_drop(request, now, expired)
            elif request.client is not None and now - request.queued >= SWEEP_SECONDS:
                request.client.watch()
        self._unanswered = pending
        for queue in self._busy_queues:
            queue.sweep()
        self._sweeping = loop.call_later(SWEEP_SECONDS, self._sweep, loop) if pending else None


def _expired() -> DeadlineExceededError:
    return DeadlineExceededError("the model did not finish before the deadline of the request: try again later")
