"""Batches of the batcher: run, failure, and the spans of requests that are sampled."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from service.engine.postprocess import Outputs
from service.engine.queue import BatchSlice, ModelQueue, PendingRequest


def run_batch(queue: ModelQueue, batch: Sequence[BatchSlice]) -> Outputs:
    """Run the images of a batch; blocks."""
    parts = [part.request.images_NHWC[part.start : part.stop] for part in batch]
    return queue.run(parts[0] if len(parts) == 1 else np.concatenate(parts))


def fail_batch(
    queue: ModelQueue, batch: Sequence[BatchSlice], error: BaseException, started: float, ended: float
) -> None:
    """Fail the requests of a batch; see `record_batch` for the times."""
    record_batch(queue, batch, started, ended, error)
    for part in batch:
        if not part.request.future.done():
            failure = RuntimeError(f"{queue.name} failed on a batch")
            failure.__cause__ = error
            part.request.future.set_exception(failure)


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


def record_drop(request: PendingRequest, now: float, error: BaseException) -> None:
    """Record that a sampled request left the queue without a run, at its deadline or for another caller."""
    if request.span is not None and not request.started:
        request.span.record("queue", request.queued, now, error=error)


def _of(queue: ModelQueue) -> dict[str, str | int]:
    return {"duet.model": queue.family, "duet.version": queue.version, "duet.precision": queue.precision}
