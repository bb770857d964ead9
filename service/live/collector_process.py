"""Child process that collects live figures, so that API processes spend no time on it.

    python -P -m service.live.collector_process HOME SHIPPED_MODELS LOG_LEVEL LOG_FORMAT

In a thread of an API process, this work would hold the interpreter lock for tens of milliseconds at a time, and all
requests of the process would wait for it. Each API process of a home starts a child, and the launcher lets only one of
them run at a time (`Program.lock`).
"""

from __future__ import annotations

import logging
import signal
import sys
from functools import cache
from pathlib import Path
from typing import get_args

from core.records.lookup import REPORTS_NAME
from core.repository.repository import MODELS_NAME, ModelRepository
from service.live.collector import Collector, live_folder
from service.observability.logging import LogFormat, configure_logging
from service.periodic_thread import PeriodicThread
from service.settings import Settings
from service.supervisor.program import Program

log = logging.getLogger("duet.live")
EVERY_SECONDS = 2.0
NICENESS = 15
"""Predictions have priority. With 19, the collector would starve beside a training, which uses all cores."""
STOP_SECONDS = 5.0
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def collector_program(settings: Settings) -> Program:
    """The child process for the home of the settings, whose folder for live figures must exist."""
    return Program(
        name="collector of live figures",
        command=(
            *(sys.executable, "-P", "-m", "service.live.collector_process"),
            *(str(settings.home), str(settings.shipped_models), settings.log_level, settings.log_format),
        ),
        stop_seconds=STOP_SECONDS,
        environment=_ONE_THREAD,
        lock=live_folder(settings.home) / "live.lock",
        niceness=NICENESS,
        # A round that is cut off is repeated by the next process.
        orphaned=signal.SIGKILL,
    )


def main() -> None:
    """Collect until a signal ends the process."""
    home, shipped_models, log_level, log_format = sys.argv[1:]
    formats: dict[str, LogFormat] = {each: each for each in get_args(LogFormat)}
    configure_logging(log_level, formats[log_format])
    repository = ModelRepository(Path(home) / MODELS_NAME, Path(shipped_models))
    reports = Path(home) / REPORTS_NAME, Path(shipped_models) / REPORTS_NAME

    @cache  # not if it raises, then the next round tries again
    def collector() -> Collector:
        return Collector(Path(home), repository, reports)

    rounds = PeriodicThread(
        "the collection of live figures", lambda: collector().collect(), every_seconds=EVERY_SECONDS, log=log
    )
    rounds.run_once()
    rounds.start()
    signal.pause()


if __name__ == "__main__":
    main()
