"""The threads that watch over jobs, and how Celery hears that one of them is free again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from celery.concurrency.thread import ApplyResult, TaskPool
from kombu.asynchronous import get_event_loop


class WakingPool(TaskPool):  # type: ignore[misc]  # Celery is not typed
    """Celery's pool of threads, whose end of a task wakes the worker's event loop.

    A worker whose threads are all busy asks the broker for nothing (`worker_disable_prefetch`), and its loop sleeps.
    The end of a task in another thread does not wake it: it would ask for the next message when its next timer is due,
    which is up to a second later (kombu 5.7 looks at its bindings once a second), and half a second on average.
    """

    def on_apply(
        self, target: Any, args: Sequence[Any] | None = None, kwargs: Mapping[str, Any] | None = None, **more: Any
    ) -> ApplyResult:
        """Run a task in a thread; the loop is woken once the task counts as done."""
        applied = super().on_apply(target, args, kwargs, **more)
        loop = get_event_loop()
        if loop is not None:  # on Windows, Celery polls instead
            applied.f.add_done_callback(lambda _: loop.call_soon(_look_again))
        return applied


def _look_again() -> None:
    """Every turn of the loop asks the broker for as much as can be started."""
