"""Sends the message that wakes a worker for a job that has been recorded."""

from __future__ import annotations

import logging

from celery import Celery
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from service.jobs.celery_app import TASK_NAME
from service.jobs.records import JobRecord

log = logging.getLogger("duet.jobs")


class Dispatcher:
    """Sends jobs to the queue of their kind."""

    def __init__(self, app: Celery) -> None:
        self._app = app

    def send(self, record: JobRecord) -> bool:
        """Wake a worker of the job's queue. False: it could not be sent now, and the reaper will send it."""
        try:
            self._app.send_task(TASK_NAME, args=[record.id], queue=record.kind, ignore_result=True, retry=False)
        except (OperationalError, RedisError) as error:
            log.warning("the message of job %s could not be sent and will be sent later: %s", record.id, error)
            return False
        return True
