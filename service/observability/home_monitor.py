"""Background thread that measures the home: a file system that does not respond must not delay a scrape."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from service.observability.home_metrics import HomeFigures
from service.periodic_thread import PeriodicThread

log = logging.getLogger("duet.metrics")
EVERY_SECONDS = 30.0
CLOSE_SECONDS = 1.0


@contextmanager
def watching_home(
    measure: Callable[[], HomeFigures],
    publish: Callable[[HomeFigures | None], None],
    *,
    every_seconds: float = EVERY_SECONDS,
) -> Iterator[None]:
    """Publish the figures of the home during the context: at once, and then regularly; None if they cannot be read.

    Args:
        measure: reads the figures.
        publish: called from the thread.
        every_seconds: time between two rounds.
    """

    def round_of() -> None:
        try:
            publish(measure())
        except Exception:
            publish(None)
            raise

    thread = PeriodicThread("measuring the home", round_of, every_seconds=every_seconds, log=log, at_once=True)
    thread.start()
    try:
        yield
    finally:
        thread.close(CLOSE_SECONDS)
