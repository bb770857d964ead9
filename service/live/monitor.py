"""Monitor of live figures: keeps their collector process running, and reads the figures that it stores."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pydantic import ValidationError

from core.schemas.live import LiveFigures
from service.live.collector import WINDOW_IMAGES, figures_path, live_folder
from service.live.collector_process import collector_program
from service.periodic_thread import PeriodicThread
from service.settings import Settings
from service.supervisor.supervised_process import RestartingProcess
from service.traffic.segments import FOLDER_MODE, segments_folder

log = logging.getLogger("duet.live")
POLL_SECONDS = 0.5
CLOSE_SECONDS = 5.0


class LiveMonitor:
    """The figures of one process, read from the file that the collector writes.

    Attributes:
        figures: the current figures.
    """

    def __init__(self, settings: Settings, publish: Callable[[LiveFigures], None]) -> None:
        """Create the monitor; `start` starts its thread and, as soon as there is captured traffic, the collector.

        Args:
            settings: settings of the service.
            publish: called with new figures, from the thread.
        """
        self.figures = no_figures(capturing=settings.capture_share > 0)
        self._settings = settings
        self._publish = publish
        self._stored: tuple[int, int] | None = None
        self._collecting: RestartingProcess | None = None
        self._thread = PeriodicThread("live figures", self._round, every_seconds=POLL_SECONDS, log=log)

    def start(self) -> None:
        """Show the stored figures, and start the thread."""
        self._thread.run_once()
        self._thread.start()

    def close(self) -> None:
        """Stop the thread and the collector. It blocks until they have ended, or for CLOSE_SECONDS each."""
        self._thread.close(CLOSE_SECONDS)
        if self._collecting is not None:
            self._collecting.stop()

    def _round(self) -> None:
        if not segments_folder(self._settings.home).is_dir():
            return
        if self._collecting is None:
            live_folder(self._settings.home).mkdir(mode=FOLDER_MODE, exist_ok=True)
            self._collecting = RestartingProcess(collector_program(self._settings))
            self._collecting.start()
        figures = self._read_stored()
        if figures is not None:
            self.figures = figures
            self._publish(figures)

    def _read_stored(self) -> LiveFigures | None:
        """The stored figures; None if they have not changed."""
        path = figures_path(self._settings.home)
        try:
            status = path.stat()
            stamp = (status.st_ino, status.st_mtime_ns)
            if stamp == self._stored:
                return None
            found = LiveFigures.model_validate_json(path.read_bytes())
        except (FileNotFoundError, ValidationError):  # not yet, or of another release
            return None
        self._stored = stamp
        return found.model_copy(update={"capturing": self._settings.capture_share > 0})


def no_figures(*, capturing: bool) -> LiveFigures:
    """The figures before anything is stored."""
    return LiveFigures(capturing=capturing, window=WINDOW_IMAGES)


@contextmanager
def watching(settings: Settings, publish: Callable[[LiveFigures], None]) -> Iterator[LiveMonitor | None]:
    """Watch captured traffic during the context, if there is any or if it is being captured; yields None otherwise."""
    if settings.capture_share == 0 and not segments_folder(settings.home).is_dir():
        yield None
        return
    monitor = LiveMonitor(settings, publish)
    monitor.start()
    try:
        yield monitor
    finally:
        monitor.close()
