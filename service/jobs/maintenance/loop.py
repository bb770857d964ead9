"""Maintenance loop of jobs: reaper and retention, run by a thread in every worker and API process."""

from __future__ import annotations

import logging

from service.jobs.maintenance.reaper import Reaper
from service.jobs.maintenance.retention import Retention
from service.periodic_thread import PeriodicThread

log = logging.getLogger("duet.jobs")
EVERY_SECONDS = 2.0


def job_maintenance(reaper: Reaper, retention: Retention, *, every_seconds: float = EVERY_SECONDS) -> PeriodicThread:
    """The thread that runs reaper and retention; it is not started yet."""

    def run_once() -> None:
        reaper.run_once()
        retention.run_once()

    return PeriodicThread("job maintenance", run_once, every_seconds=every_seconds, log=log)
