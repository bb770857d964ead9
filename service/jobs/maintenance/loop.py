"""The thread in every worker and API process that keeps the jobs in order."""

from __future__ import annotations

import logging
import threading

from core.errors import BrokerUnavailableError
from service.jobs.maintenance.reaper import Reaper
from service.jobs.maintenance.retention import Retention

log = logging.getLogger("duet.jobs")


def run_maintenance(reaper: Reaper, retention: Retention, stop: threading.Event, *, every_seconds: float = 2.0) -> None:
    """Reap and clean up until `stop` is set; a round that fails is logged, and the next one comes all the same."""
    away = False
    while not stop.wait(every_seconds):
        try:
            reaper.run_once()
            retention.run_once()
            away = False
        except BrokerUnavailableError as error:
            if not away:
                log.warning("jobs are not looked after while the broker is away: %s", error)
            away = True
        except Exception:
            log.exception("a round of looking after jobs failed")
