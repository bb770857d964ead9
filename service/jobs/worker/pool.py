"""Celery thread pool that wakes the worker's event loop when a thread becomes free."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from celery.concurrency.thread import ApplyResult, TaskPool
from kombu.asynchronous import get_event_loop


class WakingPool(TaskPool):  # type: ignore[misc]  # Celery is not typed
    """Celery's thread pool, extended so that the end of a task wakes the worker's event loop.

    A worker whose threads are all busy requests no messages (`worker_disable_prefetch`), and its loop sleeps. In
    Celery's own pool the end of a task does not wake the loop, so the next message would wait for the next timer, up to
    1 s (kombu 5.7).
    """

    def on_apply(
        self, target: Any, args: Sequence[Any] | None = None, kwargs: Mapping[str, Any] | None = None, **more: Any
    ) -> ApplyResult:
        """Run a task in a thread; wakes the loop when the task is done."""
        applied = super().on_apply(target, args, kwargs, **more)
        loop = get_event_loop()
        if loop is not None:  # None on Windows, where Celery polls
            applied.f.add_done_callback(lambda _: loop.call_soon(_wake))
        return applied


def _wake() -> None:
    """Do nothing: each iteration of the loop requests as many messages as can start."""
