"""Background thread of live figures: collects them if no other process does, and keeps the current ones at hand."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import ValidationError

from core.repository.repository import ModelRepository
from core.schemas.live import LiveFigures
from service.live.collector import WINDOW_IMAGES, Collector, figures_path, live_folder
from service.settings import Settings
from service.traffic.segments import FOLDER_MODE, segments_folder

log = logging.getLogger("duet.live")
EVERY_SECONDS = 2.0
CLOSE_SECONDS = 5.0
"""Time for the current round to finish at shutdown; an interrupted round is repeated by the next process."""


class LiveMonitor:
    """The figures of one process, updated every few seconds.

    Attributes:
        figures: the current figures.
    """

    def __init__(
        self,
        home: Path,
        repository: ModelRepository,
        *,
        capturing: bool,
        publish: Callable[[LiveFigures], None],
        every_seconds: float = EVERY_SECONDS,
    ) -> None:
        """Create the monitor; `start` starts its thread.

        Args:
            home: the home of the service.
            repository: for the holdout references.
            capturing: whether this service stores requests.
            publish: called with new figures, from the thread.
            every_seconds: time between two rounds.
        """
        self.figures = no_figures(capturing=capturing)
        self._home = home
        self._repository = repository
        self._capturing = capturing
        self._publish = publish
        self._every_seconds = every_seconds
        self._stored: tuple[int, int] | None = None
        self._collector: Collector | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="live", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """Stop the thread after its current round, or without waiting longer than CLOSE_SECONDS."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(CLOSE_SECONDS)

    def _run(self) -> None:
        lock = FileLock(live_folder(self._home) / "live.lock", timeout=0)
        failed = False
        try:
            while not self._stop.is_set():
                try:
                    self._round(lock)
                    failed = False
                except Exception as error:  # tried again in the next round
                    if not failed:
                        log.exception("the live figures could not be updated: %s", error)
                    failed = True
                self._stop.wait(self._every_seconds)
        finally:
            self._collector = None
            lock.release(force=True)

    def _round(self, lock: FileLock) -> None:
        if not segments_folder(self._home).is_dir():
            return
        if self._collector is None:
            self._show(self._read_stored())
            if not self._acquire(lock):
                return
            self._collector = Collector(self._home, self._repository, capturing=self._capturing, stop=self._stop)
        self._show(self._collector.collect())

    def _show(self, figures: LiveFigures | None) -> None:
        if figures is not None and figures is not self.figures:
            self.figures = figures
            self._publish(figures)

    def _acquire(self, lock: FileLock) -> bool:
        live_folder(self._home).mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        try:
            lock.acquire()
        except Timeout:
            return False
        return True

    def _read_stored(self) -> LiveFigures | None:
        """The figures that another process stored; None if they have not changed."""
        path = figures_path(self._home)
        try:
            status = path.stat()
            stamp = (status.st_ino, status.st_mtime_ns)
            if stamp == self._stored:
                return None
            found = LiveFigures.model_validate_json(path.read_bytes())
        except (FileNotFoundError, ValidationError):  # not yet, or of another release
            return None
        self._stored = stamp
        return found.model_copy(update={"capturing": self._capturing})


def no_figures(*, capturing: bool) -> LiveFigures:
    """The figures before anything is stored."""
    return LiveFigures(capturing=capturing, window=WINDOW_IMAGES)


@contextmanager
def watching(
    settings: Settings, repository: ModelRepository, publish: Callable[[LiveFigures], None]
) -> Iterator[LiveMonitor | None]:
    """Watch captured traffic during the context, if there is any or if it is being captured; yields None otherwise."""
    if settings.capture_share == 0 and not segments_folder(settings.home).is_dir():
        yield None
        return
    monitor = LiveMonitor(settings.home, repository, capturing=settings.capture_share > 0, publish=publish)
    monitor.start()
    try:
        yield monitor
    finally:
        monitor.close()
