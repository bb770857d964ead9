"""Heartbeat thread of a worker: reports its jobs and training readiness."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable

from core.errors import BrokerUnavailableError
from service.jobs.store.heartbeats import BEAT_SECONDS, Heartbeats, WorkerReport
from service.jobs.worker.training_env_check import TrainingEnvironment
from service.settings import Settings

log = logging.getLogger("duet.worker")


def worker_name() -> str:
    """Name of this process as a worker: host and process id."""
    return f"{socket.gethostname()}:{os.getpid()}"


class HeartbeatThread:
    """Sends heartbeats until stopped.

    Args:
        heartbeats: store of the reports.
        environment: training environment of the jobs.
        running: returns the ids of the running jobs.
        settings: of the worker.
        worker: its name.
    """

    def __init__(
        self,
        heartbeats: Heartbeats,
        environment: TrainingEnvironment,
        running: Callable[[], tuple[str, ...]],
        settings: Settings,
        *,
        worker: str,
    ) -> None:
        self._heartbeats = heartbeats
        self._environment = environment
        self._running = running
        self._settings = settings
        self._worker = worker
        self._logged_reason: str | None = None
        self.can_train = threading.Event()
        """Set when the training environment is ready."""

    def run(self, stop: threading.Event) -> None:
        """Send heartbeats until `stop` is set, then remove the report; a failed heartbeat does not stop the thread."""
        while not stop.is_set():
            try:
                self._beat()
            except BrokerUnavailableError as error:
                log.debug("sending the heartbeat failed: %s", error)
            except Exception:
                log.exception("heartbeat failed")
            stop.wait(BEAT_SECONDS)
        try:
            self._heartbeats.gone(self._worker)
        except BrokerUnavailableError as error:
            log.debug("removing the heartbeat failed: %s", error)

    def _beat(self) -> None:
        training = self._environment.check()
        if training.ready:
            self.can_train.set()
        if training.reason != self._logged_reason:
            self._logged_reason = training.reason
            log.warning("jobs cannot run: %s", training.reason) if training.reason else log.info("jobs can run")
        self._heartbeats.beat(
            WorkerReport(
                name=self._worker,
                host=socket.gethostname(),
                pid=os.getpid(),
                queues=self._settings.worker_queues,
                jobs=self._settings.worker_jobs,
                running=self._running(),
                training=training,
            )
        )
