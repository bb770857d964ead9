"""Spans of the batcher: the wait in the queue and the run of each batch, for requests that are sampled."""

from __future__ import annotations

from collections.abc import Sequence

from service.engine.queue import BatchSlice, ModelQueue, PendingRequest


def record_batch(
    queue: ModelQueue, batch: Sequence[BatchSlice], started: float, ended: float, error: BaseException | None = None
) -> None:
    """Record `queue` and `run` for each sampled request of a batch. A request may be split over several batches.

    Args:
        queue: queue of the graph.
        batch: images of the batch.
        started: time when the batch was taken from the queue, on the clock of `time.perf_counter`.
        ended: time when its logits were ready, on the same clock.
        error: failure of the run, if any.
    """
    for part in batch:
        span = part.request.span
        if span is None:
            continue
        if part.start == 0:
            span.record("queue", part.request.queued, started, _of(queue))
        attributes = _of(queue) | {
            "duet.images": part.stop - part.start,
            "duet.batch.images": sum(each.stop - each.start for each in batch),
            "duet.batch.requests": len(batch),
        }
        span.record("run", started, ended, attributes, error=error)


def record_expiry(request: PendingRequest, now: float, error: BaseException) -> None:
    """Record that a sampled request reached its deadline in the queue."""
    if request.span is not None and not request.taken:
        request.span.record("queue", request.queued, now, error=error)


def _of(queue: ModelQueue) -> dict[str, str | int]:
    return {"duet.model": queue.family, "duet.version": queue.version, "duet.precision": queue.precision}
