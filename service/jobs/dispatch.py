"""Sends the message that wakes a worker for a job that has been recorded.

Importing Celery takes a tenth of the start of an API process, which may never send anything: so nothing of it is
imported before the first message.
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
    """Sends jobs to the queue of their kind."""

    def __init__(self, app: Celery) -> None:
        self._app = app

    def send(self, record: JobRecord) -> bool:
        """Wake a worker of the job's queue. False: it could not be sent now, and the reaper will send it."""
        from kombu.exceptions import OperationalError

        celery = self._celery()
        try:
            celery.send_task(TASK_NAME, args=[record.id], queue=record.kind, ignore_result=True, retry=False)
        except (OperationalError, RedisError) as error:
            log.warning("the message of job %s could not be sent and will be sent later: %s", record.id, error)
            return False
        return True

    def _celery(self) -> Celery:
        return self._app


class LateDispatcher(Dispatcher):
    """The same for a process that may never send: makes its Celery app, over the broker at `url`, when it has to."""

    def __init__(self, url: str) -> None:
        self._make_app = cache(lambda: _make_celery(url))

    def _celery(self) -> Celery:
        return self._make_app()


def _make_celery(url: str) -> Celery:
    from service.jobs.celery_app import make_celery

    return make_celery(url)
