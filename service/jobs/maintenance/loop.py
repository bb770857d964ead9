"""Maintenance loop of jobs: reaper and retention, run by a thread in every worker and API process."""

from __future__ import annotations

import logging
import threading

from core.errors import BrokerUnavailableError
from service.jobs.maintenance.reaper import Reaper
from service.jobs.maintenance.retention import Retention

log = logging.getLogger("duet.jobs")


def run_maintenance(reaper: Reaper, retention: Retention, stop: threading.Event, *, every_seconds: float = 2.0) -> None:
    """Run reaper and retention until `stop` is set; a failed round is logged and does not stop the loop."""
    away = False
    while not stop.wait(every_seconds):
        try:
            reaper.run_once()
            retention.run_once()
            away = False
        except BrokerUnavailableError as error:
            if not away:
                log.warning("job maintenance is paused, the broker is unavailable: %s", error)
            away = True
        except Exception:
            log.exception("a round of job maintenance failed")
