"""Dispatcher of job messages: wakes a worker for a recorded job.

Celery is imported with the first message, because the import takes a tenth of the start-up of an API process.
"""

from __future__ import annotations

import logging
from functools import cache
from typing import TYPE_CHECKING

from redis.exceptions import RedisError

from core.jobs.records import JobRecord
from service.jobs.store.keys import TASK_NAME

if TYPE_CHECKING:
    from celery import Celery

log = logging.getLogger("duet.jobs")


class Dispatcher:
    """Sends a job's message to the queue of its kind."""

    def __init__(self, app: Celery) -> None:
        self._app = app

    def send(self, record: JobRecord) -> bool:
        """Wake a worker of the job's queue. False if sending failed; the reaper then sends the message later."""
        from kombu.exceptions import OperationalError

        celery = self._celery()
        try:
            celery.send_task(TASK_NAME, args=[record.id], queue=record.kind, ignore_result=True, retry=False)
        except (OperationalError, RedisError) as error:
            log.warning("sending the message of job %s failed, the reaper will send it: %s", record.id, error)
            return False
        return True

    def _celery(self) -> Celery:
        return self._app


class LateDispatcher(Dispatcher):
    """A dispatcher that creates its Celery app for the broker at `url` with the first message."""

    def __init__(self, url: str) -> None:
        self._make_app = cache(lambda: _make_celery(url))

    def _celery(self) -> Celery:
        return self._make_app()


def _make_celery(url: str) -> Celery:
    from service.jobs.celery_app import make_celery

    return make_celery(url)
