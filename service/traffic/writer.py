"""Writer thread of captured traffic: takes samples from a bounded queue and writes them to segments in batches.

The event loop only appends to a queue. The thread looks at the queue every TICK_SECONDS, waits for the answers of other
families for at most ANSWER_SECONDS, and flushes each batch to disk, so that a sample is on disk within a second. If the
disk is full or fails, samples are dropped until a later attempt succeeds; requests are not affected.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Literal, NamedTuple

from service.engine.observer import ModelAnswer
from service.traffic.deletion import Deletions
from service.traffic.record import encode
from service.traffic.retention import make_room
from service.traffic.sample import Sample
from service.traffic.segments import FRAME_BYTES, Segment, segments_folder

log = logging.getLogger("duet.traffic")
TICK_SECONDS = 0.25
ANSWER_SECONDS = 0.3
RETRY_SECONDS = 30.0
"""Time after an error of the disk before the next attempt to write."""
MAX_QUEUED = 1024
MAX_QUEUED_BYTES = 32 * 1024 * 1024
"""Limits of the samples in memory; further ones are dropped."""
SEGMENT_SECONDS = 600.0
MAX_SEGMENT_BYTES = 8 * 1024 * 1024
SEGMENTS_PER_QUOTA = 16
"""A segment ends after this time or size, or at this fraction of the quota."""

Outcome = Literal["written", "dropped", "failed"]
"""Fate of a record: on disk; dropped because too many wait or it exceeds the quota; lost to an error of the disk."""
Ask = Callable[[Sequence[Sample]], "list[Future[list[ModelAnswer]]]"]


class _Asked(NamedTuple):
    sample: Sample
    answers: Future[list[ModelAnswer]]
    since: float


class TrafficWriter:
    """Writes samples in a thread of its own.

    Attributes:
        problem: reason why nothing is written at the moment; None while it works.
    """

    def __init__(
        self,
        home: Path,
        *,
        quota_bytes: int,
        uploads: bool,
        ask: Ask,
        count: Callable[[Outcome, int], None],
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        """Create the writer; `start` starts its thread.

        Args:
            home: the home of the service.
            quota_bytes: limit of all segments.
            uploads: store the uploaded files too.
            ask: asks the other families about samples; returns the future answers to each.
            count: called with the fate of records and their number, from any thread.
            retry_seconds: time after an error of the disk before the next attempt.
        """
        self.problem: str | None = None
        self._folder = segments_folder(home)
        self._deletions = Deletions(home)
        self._quota_bytes = quota_bytes
        self._segment_bytes = min(MAX_SEGMENT_BYTES, quota_bytes // SEGMENTS_PER_QUOTA)
        self._uploads = uploads
        self._ask = ask
        self._count = count
        self._retry_seconds = retry_seconds
        self._retry_at = 0.0
        self._queue: deque[Sample] = deque()
        # Each is changed by one thread only; the difference is the size of the samples in memory.
        self._queued_bytes = self._taken_bytes = 0
        self._asked: list[_Asked] = []
        self._segment: Segment | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="traffic", daemon=True)

    def start(self) -> None:
        """Start the thread, if it has not started yet."""
        if not self._thread.is_alive() and not self._stop.is_set():
            self._thread.start()

    def put(self, sample: Sample) -> None:
        """Queue a sample; call it on the event loop. It never blocks and never raises."""
        answered = sample.answered
        if not self._uploads and answered.uploads:
            sample = sample._replace(answered=answered._replace(uploads=()))
        size = sample.bytes
        if len(self._queue) >= MAX_QUEUED or self._queued_bytes - self._taken_bytes + size > MAX_QUEUED_BYTES:
            self._count("dropped", len(answered.images))
            return
        self._queued_bytes += size
        self._queue.append(sample)

    def close(self) -> None:
        """Write everything that is queued, and stop the thread."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(TICK_SECONDS):
            self._work(last=False)
        self._work(last=True)
        self._close_segment()

    def _work(self, *, last: bool) -> None:
        try:
            self._tick(last=last)
        except Exception:  # a defect here must not end the thread
            log.exception("a batch of captured traffic was lost")

    def _tick(self, *, last: bool) -> None:
        now = time.monotonic()
        samples = [self._queue.popleft() for _ in range(len(self._queue))]
        if samples:
            self._asked += [_Asked(*each, now) for each in zip(samples, self._ask(samples), strict=True)]
        due: list[_Asked] = []
        waiting: list[_Asked] = []
        for each in self._asked:
            is_due = last or each.answers.done() or now - each.since >= ANSWER_SECONDS
            (due if is_due else waiting).append(each)
        self._asked = waiting
        if due:
            try:
                self._write(due, now)
            finally:
                self._taken_bytes += sum(each.sample.bytes for each in due)
        if self._segment is not None and now - self._segment.opened >= SEGMENT_SECONDS:
            self._close_segment()

    def _write(self, due: list[_Asked], now: float) -> None:
        records = [record for each in due for record in each.sample.records(_result(each.answers))]
        if now < self._retry_at:
            self._count("failed", len(records))
            return
        try:
            hidden = self._deletions.current()
            bodies = [encode(each) for each in records if not hidden.hides(each.request_id, each.time.timestamp())]
            needed = sum(len(body) + FRAME_BYTES for body in bodies)
            if needed > self._quota_bytes:
                self._count("dropped", len(bodies))
                return
            if bodies:
                make_room(self._folder, needed, self._quota_bytes)
                self._open_segment().append(bodies)
        except OSError as error:
            self._fail(error, len(records), now)
            return
        self._count("written", len(bodies))
        if self.problem is not None:
            log.warning("traffic is captured again")
            self.problem = None

    def _open_segment(self) -> Segment:
        """The current segment, or a new one if it is full or was removed by the quota."""
        if self._segment is not None and (self._segment.is_removed or self._segment.size >= self._segment_bytes):
            self._close_segment()
        if self._segment is None:
            self._segment = Segment(self._folder)
        return self._segment

    def _fail(self, error: OSError, records: int, now: float) -> None:
        self._count("failed", records)
        self._retry_at = now + self._retry_seconds
        self._close_segment()
        reason = error.strerror or str(error)
        if self.problem is None:
            log.error("traffic is not captured, the disk of DUET_HOME refuses it (%s): free some space", reason)
        self.problem = reason

    def _close_segment(self) -> None:
        segment, self._segment = self._segment, None
        if segment is not None:
            try:
                segment.close()
            except OSError as error:
                log.warning("could not close a segment of captured traffic: %s", error)


def _result(answers: Future[list[ModelAnswer]]) -> list[ModelAnswer]:
    """The answers of other families; none if they are not ready, which also stops the work on them."""
    return [] if answers.cancel() else answers.result()
