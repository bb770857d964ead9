"""What `duet serve` runs beside the API where it is given no broker: a broker, a worker, the set-up of training."""

from __future__ import annotations

import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from pydantic import SecretStr

from core.errors import ConfigurationError
from service.broker.embedded import EmbeddedBroker
from service.broker.lock import sole_service
from service.settings import Settings
from service.supervisor.program import Program
from service.supervisor.restarting_process import RestartingProcess
from service.supervisor.training_env import TrainingSetup

_STOP_MARGIN_SECONDS = 5.0
_STOP_SETUP_SECONDS = 5.0
_WORKER_NICENESS = 5
"""So that predictions go first, at the start as well, when both import what they need."""


@contextmanager
def jobs_beside(settings: Settings) -> Iterator[Settings]:
    """Run what jobs need as long as the context lasts; the settings that the API is to have.

    Nothing is waited for at the start: the API answers what needs no job while broker and worker come up. At the end
    the worker goes first, so that it can hand back its jobs. Both die with this process, however it ends (on Linux).

    Raises:
        ConfigurationError: another service runs on this DUET_HOME, there is no server program, or the state cannot be
            kept there.
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
        stop_seconds=settings.worker_stop_seconds + _STOP_MARGIN_SECONDS,
        niceness=_WORKER_NICENESS,
        # Asked politely, it would try to reach the broker, which goes at the same moment, to hand its jobs back.
        orphaned=signal.SIGKILL,
    )


def _training_setup(settings: Settings) -> list[TrainingSetup]:
    if settings.training_setup is None:
        return []
    if settings.training_python is None:
        raise ConfigurationError("DUET_TRAINING_SETUP needs DUET_TRAINING_PYTHON, the Python that it makes")
    program = Program(
        name="training set-up",
        command=tuple(shlex.split(settings.training_setup)),
        output=settings.home / "training-setup.log",
        stop_seconds=_STOP_SETUP_SECONDS,
        niceness=19,
    )
    return [TrainingSetup(program, settings.training_python)]


def _stop(parts: list[RestartingProcess | TrainingSetup]) -> None:
    """Stop them in the reverse order; a signal that comes meanwhile ends the waiting."""

    def hurry(_number: int, _frame: FrameType | None) -> None:
        for part in parts:
            part.kill()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, hurry)
    for part in reversed(parts):
        part.stop()
