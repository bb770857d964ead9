"""Local job processing of `duet serve`: starts a broker, a worker and the training environment setup."""

from __future__ import annotations

import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from pydantic import SecretStr

from core.errors import ConfigurationError
from service.broker.embedded import EmbeddedBroker, sole_service
from service.settings import Settings
from service.supervisor.program import Program
from service.supervisor.supervised_process import RestartingProcess
from service.supervisor.training_env import TrainingSetup

STOP_WORKER_SECONDS = 25.0
"""Time that the worker has to stop and return its jobs at shutdown; then it is killed."""
_STOP_SETUP_SECONDS = 5.0
_WORKER_NICENESS = 5
"""Niceness of the worker, so that predictions have priority."""


@contextmanager
def local_jobs(settings: Settings) -> Iterator[Settings]:
    """Context manager that runs the broker and the worker; yields the settings for the API.

    It does not wait for them at the start. At the end the worker stops first, so that it can return its jobs to the
    broker. On Linux, both die with this process.

    Raises:
        ConfigurationError: another service uses this DUET_HOME, no broker program is installed, or its state cannot be
            stored there.
    """
    broker = EmbeddedBroker(settings.home)
    with sole_service(settings.home):
        parts: list[RestartingProcess | TrainingSetup] = [RestartingProcess(broker.prepare())]
        if settings.embedded_worker:
            parts.append(RestartingProcess(_worker(settings, broker.url), may_start=broker.answers))
            parts += _training_setup(settings)
        for part in parts:
            part.start()
        try:
            yield settings.model_copy(update={"redis_url": SecretStr(broker.url)})
        finally:
            _stop(parts)
            broker.clear()


def _worker(settings: Settings, url: str) -> Program:
    return Program(
        name="worker",
        command=(sys.executable, "-m", "duet", "worker"),
        environment={"DUET_REDIS_URL": url, "DUET_HOME": str(settings.home)},
        stop_seconds=STOP_WORKER_SECONDS,
        niceness=_WORKER_NICENESS,
        # On SIGTERM it would try to return its jobs to the broker, which dies at the same moment.
        orphaned=signal.SIGKILL,
    )


def _training_setup(settings: Settings) -> list[TrainingSetup]:
    if settings.training_setup is None:
        return []
    if settings.training_python is None:
        raise ConfigurationError(
            "DUET_TRAINING_SETUP is set without DUET_TRAINING_PYTHON: set it to the Python that the command creates"
        )
    program = Program(
        name="training set-up",
        command=tuple(shlex.split(settings.training_setup)),
        output=settings.home / "training-setup.log",
        stop_seconds=_STOP_SETUP_SECONDS,
        niceness=19,
    )
    return [TrainingSetup(program, settings.training_python)]


def _stop(parts: list[RestartingProcess | TrainingSetup]) -> None:
    """Stop the parts in reverse order; a signal in the meantime kills them."""

    def kill_all(_number: int, _frame: FrameType | None) -> None:
        for part in parts:
            part.kill()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, kill_all)
    for part in reversed(parts):
        part.stop()
