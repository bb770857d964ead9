"""Heartbeat thread of a worker: reports its jobs and whether its training environment is ready."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from core.errors import BrokerUnavailableError
from service.jobs.data_sets import has_cifar10
from service.jobs.store.heartbeats import BEAT_SECONDS, Heartbeats, Readiness, WorkerReport
from service.settings import Settings
from service.supervisor.training_env import read_setup

log = logging.getLogger("duet.worker")
_PROBE = "import sys, importlib.util; sys.exit(any(importlib.util.find_spec(name) is None for name in sys.argv[1:]))"
_PACKAGES = ("torch", "torchvision", "onnx", "training")
_PROBE_SECONDS = 60


class TrainingEnvironment:
    """Training environment of one interpreter, which need not exist; checked repeatedly."""

    def __init__(self, python: Path, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._python = python
        self._now = now
        self._seen: Readiness | None = None

    def check(self) -> Readiness:
        """Readiness and the time of its last change. Packages are checked until they were complete once."""
        state = read_setup(self._python)
        reason = state.reason if state is not None else self._missing()
        if self._seen is None or self._seen.reason != reason:
            since = self._now() if state is None else state.since.astimezone(UTC)
            self._seen = Readiness(ready=reason is None, reason=reason, since=since)
        return self._seen

    def _missing(self) -> str | None:
        """The missing component, as a sentence; None if there is none."""
        if not os.access(self._python, os.X_OK):
            return (
                f"there is no interpreter {self._python}: create the training environment, or set DUET_TRAINING_PYTHON"
            )
        if self._seen is not None and self._seen.ready:
            return None
        if self._has_packages():
            return None
        return (
            f"{self._python} lacks packages for training ({', '.join(_PACKAGES)}): install the project there with "
            "pip install '.[training]', or set DUET_TRAINING_PYTHON to an interpreter that has them"
        )

    def _has_packages(self) -> bool:
        probe = [str(self._python), "-c", _PROBE, *_PACKAGES]
        try:
            return subprocess.run(probe, timeout=_PROBE_SECONDS, check=False, capture_output=True).returncode == 0
        except (OSError, subprocess.TimeoutExpired):
            return False


class HeartbeatThread:
    """Sends the heartbeats of a worker; `running` returns the ids of its running jobs."""

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
                cifar10=has_cifar10(self._settings),
            )
        )
