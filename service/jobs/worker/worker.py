"""Worker process: Celery consumer, job threads, heartbeat and maintenance."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import warnings
from functools import partial
from types import FrameType
from typing import Any

from celery import Celery, signals
from celery.exceptions import SecurityWarning
from celery.worker import state

from core.errors import ConfigurationError
from core.files.home import ensure_home
from core.files.home_lock import use_home
from core.repository.repository import MODELS_NAME, ModelRepository
from core.tracing.tracer import start_tracer
from service.broker.address import broker_folder, embedded_url
from service.broker.url import configured_url
from service.jobs.celery_app import WORKER_OPTIONS
from service.jobs.dispatch import Dispatcher
from service.jobs.maintenance.loop import job_maintenance
from service.jobs.maintenance.reaper import Reaper
from service.jobs.maintenance.retention import Retention
from service.jobs.store.heartbeats import Heartbeats
from service.jobs.store.keys import TASK_NAME
from service.jobs.store.store import JobStore
from service.jobs.worker.heartbeat_thread import HeartbeatThread, TrainingEnvironment
from service.jobs.worker.launch import training_python
from service.jobs.worker.runner import JobRunner, promote_published
from service.observability.logging import configure_logging, log_settings
from service.settings import Settings

LAST_ROUND_SECONDS = 3.0
"""Time limit for the threads to end when the worker ends."""

log = logging.getLogger("duet.worker")


def run_worker(settings: Settings) -> None:
    """Run jobs until SIGTERM or SIGINT, then stop them at their checkpoints and queue them again.

    Raises:
        ConfigurationError: DUET_HOME has no broker or cannot be created, the broker's URL is invalid, a backup is being
            restored into the home, or traces are requested that cannot be exported.
    """
    url = _broker_url(settings)
    with use_home(settings.home):
        _run(settings, url)


def _run(settings: Settings, url: str) -> None:
    configure_logging(settings.log_level, settings.log_format)
    logging.getLogger("celery").setLevel(logging.WARNING)
    log_settings(log, settings)
    tracer = start_tracer("worker")
    store = JobStore.open(url)
    repository = ModelRepository(settings.home / MODELS_NAME, settings.shipped_models)
    dispatcher = Dispatcher(url)
    name = f"{socket.gethostname()}:{os.getpid()}"
    promote = partial(promote_published, repository, settings.gate)
    runner = JobRunner(store, dispatcher.send, promote, settings, worker=name, tracer=tracer)
    heartbeat = HeartbeatThread(
        Heartbeats(store.client),
        TrainingEnvironment(training_python(settings)),
        lambda: runner.running,
        settings,
        worker=name,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: runner.stopping.set())
    ended = threading.Event()
    beating = threading.Thread(target=heartbeat.run, args=[ended], name="heartbeat", daemon=True)
    maintenance = job_maintenance(Reaper(store, dispatcher), Retention(store, repository, settings))
    beating.start()
    maintenance.start()
    try:
        # Consume no messages until the training environment is ready, so that other workers get the jobs.
        while not runner.stopping.is_set() and not heartbeat.can_train.wait(0.2):
            pass
        if not runner.stopping.is_set():
            _take_jobs(dispatcher.app, runner, settings, name)
    finally:
        runner.stopping.set()
        ended.set()
        beating.join(LAST_ROUND_SECONDS)
        maintenance.close(LAST_ROUND_SECONDS)
        if tracer is not None:
            tracer.close()
    log.info("worker %s has ended", name)


def _broker_url(settings: Settings) -> str:
    """URL of the broker in the settings, or of the one that `duet serve` runs on the same home, which must exist."""
    if (url := configured_url(settings)) is not None:
        ensure_home(settings.home)
        return url
    if not broker_folder(settings.home).is_dir():
        raise ConfigurationError(
            f"no service has run a broker in {settings.home}: start `duet serve` first, set DUET_HOME to the home of "
            "the service, or set DUET_REDIS_URL to its broker"
        )
    return embedded_url(settings.home)


def _take_jobs(celery: Celery, runner: JobRunner, settings: Settings, name: str) -> None:
    """Run Celery's worker in this (main) thread until a signal ends it."""
    celery.task(name=TASK_NAME)(runner.run)

    class Worker(celery.Worker):  # type: ignore[misc]  # created for this app on first access
        def install_platform_tweaks(self, worker: object) -> None:
            """Stop at the first signal: jobs are queued again instead of waited for."""
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, stop)

    def stop(_number: int, _frame: FrameType | None) -> None:
        runner.stopping.set()
        state.should_stop = 0

    # Celery warns about root because pickled messages run code. These messages are JSON with an id only.
    warnings.simplefilter("ignore", SecurityWarning)
    signals.setup_logging.connect(_leave_logging_alone)
    worker = Worker(
        hostname=f"duet@{name}",
        queues=list(settings.worker_queues),
        concurrency=settings.worker_jobs,
        quiet=True,
        **WORKER_OPTIONS,
    )
    log.info("worker %s accepts jobs: %s", name, ", ".join(settings.worker_queues))
    worker.start()


def _leave_logging_alone(**_: Any) -> None:
    """Keep Celery from configuring logging, as receiver of its signal, to which Celery keeps a weak reference."""
