"""Dispatcher of job messages: wakes a worker for a recorded job."""

from __future__ import annotations

import logging
from functools import cached_property
from typing import TYPE_CHECKING

from redis.exceptions import RedisError

from core.jobs.records import JobRecord
from service.jobs.store.keys import TASK_NAME

if TYPE_CHECKING:
    from celery import Celery

log = logging.getLogger("duet.jobs")


class Dispatcher:
    """Sends a job's message to the queue of its kind in the broker at `url`."""

    def __init__(self, url: str) -> None:
        self._url = url

    @cached_property
    def app(self) -> Celery:
        """The Celery app, created on first use: importing Celery takes a tenth of the start-up of an API process."""
        from service.jobs.celery_app import make_celery

        return make_celery(self._url)

    def send(self, record: JobRecord) -> bool:
        """Wake a worker of the job's queue. False if sending failed; the reaper then sends the message later."""
        from kombu.exceptions import OperationalError

        try:
            self.app.send_task(TASK_NAME, args=[record.id], queue=record.kind, ignore_result=True, retry=False)
        except (OperationalError, RedisError) as error:
            log.warning("sending the message of job %s failed, the reaper will send it: %s", record.id, error)
            return False
        return True
