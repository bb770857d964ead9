"""Background thread that measures the home: a file system that does not respond must not delay a scrape."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from core.errors import DuetError
from service.observability.home_metrics import HomeFigures

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
        measure: reads the figures; raises OSError or DuetError.
        publish: called from the thread.
        every_seconds: time between two rounds.
    """
    stop = threading.Event()
    thread = threading.Thread(target=_run, args=(measure, publish, every_seconds, stop), name="home", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(CLOSE_SECONDS)


def _run(
    measure: Callable[[], HomeFigures],
    publish: Callable[[HomeFigures | None], None],
    every_seconds: float,
    stop: threading.Event,
) -> None:
    failed = False
    while not stop.is_set():
        try:
            publish(measure())
            failed = False
        except (OSError, DuetError) as error:
            publish(None)
            if not failed:
                log.error("could not measure the home: %s", error)
            failed = True
        stop.wait(every_seconds)
