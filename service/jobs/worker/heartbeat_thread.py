"""The thread by which a worker says that it is alive, what it does, and whether its jobs could run."""

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
    """What this process is called as a worker."""
    return f"{socket.gethostname()}:{os.getpid()}"


class HeartbeatThread:
    """Beats until told to stop.

    Args:
        heartbeats: where to.
        environment: of the jobs.
        running: the ids of the jobs that run now.
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
        self._told: str | None = None
        self.can_train = threading.Event()
        """Set once the environment of the jobs is there."""

    def run(self, stop: threading.Event) -> None:
        """Beat until `stop` is set, then say good-bye; a beat that fails is followed by the next one all the same."""
        while not stop.is_set():
            try:
                self._beat()
            except BrokerUnavailableError as error:
                log.debug("no heartbeat: %s", error)
            except Exception:
                log.exception("a heartbeat failed")
            stop.wait(BEAT_SECONDS)
        try:
            self._heartbeats.gone(self._worker)
        except BrokerUnavailableError as error:
            log.debug("no good-bye: %s", error)

    def _beat(self) -> None:
        training = self._environment.look()
        if training.ready:
            self.can_train.set()
        if training.reason != self._told:
            self._told = training.reason
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
