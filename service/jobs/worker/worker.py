"""A worker: Celery wakes it, its threads watch over child processes, and it tells that it is alive."""

from __future__ import annotations

import logging
import signal
import threading
import warnings
from types import FrameType
from typing import Any

from celery import Celery, signals
from celery.exceptions import SecurityWarning
from celery.worker import state

from core.files.home import ensure_home
from core.repository.repository import MODELS_NAME, ModelRepository
from service.broker.address import embedded_url
from service.jobs.celery_app import WORKER_OPTIONS, make_celery
from service.jobs.dispatch import Dispatcher
from service.jobs.maintenance.loop import run_maintenance
from service.jobs.maintenance.reaper import Reaper
from service.jobs.maintenance.retention import Retention
from service.jobs.store.heartbeats import Heartbeats
from service.jobs.store.keys import TASK_NAME
from service.jobs.store.store import JobStore
from service.jobs.worker.auto_promotion import JobPromoter
from service.jobs.worker.heartbeat_thread import HeartbeatThread, worker_name
from service.jobs.worker.launch import training_python
from service.jobs.worker.runner import JobRunner
from service.jobs.worker.training_env_check import TrainingEnvironment
from service.observability.logging import configure_logging
from service.settings import Settings

LAST_ROUND_SECONDS = 3.0
"""For what the threads are at when the worker ends."""

log = logging.getLogger("duet.worker")


def run_worker(settings: Settings) -> None:
    """Take jobs until SIGTERM or SIGINT, then have them stop at their checkpoints and give them back.

    Raises:
        ConfigurationError: there can be no home, or the broker's address is none.
    """
    configure_logging(settings.log_level, settings.log_format)
    logging.captureWarnings(True)
    logging.getLogger("celery").setLevel(logging.WARNING)
    log.info("settings", extra={"settings": settings.model_dump(mode="json")})
    ensure_home(settings.home)
    url = embedded_url(settings.home) if settings.redis_url is None else settings.redis_url.get_secret_value()
    store = JobStore.open(url, events_kept=settings.job_events_kept)
    repository = ModelRepository(settings.home / MODELS_NAME, settings.shipped_models)
    celery = make_celery(url)
    dispatcher = Dispatcher(celery)
    name = worker_name()
    runner = JobRunner(store, dispatcher.send, JobPromoter(repository, settings.gate), settings, worker=name)
    presence = HeartbeatThread(
        Heartbeats(store.client),
        TrainingEnvironment(training_python(settings)),
        lambda: runner.running,
        settings,
        worker=name,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: runner.stopping.set())
    ended = threading.Event()
    threads = [
        threading.Thread(target=presence.run, args=[ended], name="presence", daemon=True),
        threading.Thread(
            target=run_maintenance,
            args=[Reaper(store, dispatcher), Retention(store, repository, settings), ended],
            name="upkeep",
            daemon=True,
        ),
    ]
    for thread in threads:
        thread.start()
    try:
        _wait_for_environment(presence, runner.stopping)
        if not runner.stopping.is_set():
            _take_jobs(celery, runner, settings, name)
    finally:
        runner.stopping.set()
        ended.set()
        for thread in threads:
            thread.join(LAST_ROUND_SECONDS)
    log.info("worker %s has ended", name)


def _wait_for_environment(presence: HeartbeatThread, stopping: threading.Event) -> None:
    """Leave jobs in their queues, where other workers find them, until they could run here."""
    while not stopping.is_set() and not presence.can_train.wait(0.2):
        pass


def _take_jobs(celery: Celery, runner: JobRunner, settings: Settings, name: str) -> None:
    """Run Celery's worker in this thread, which is the main one, until a signal ends it."""
    celery.task(name=TASK_NAME)(runner.run)

    class Worker(celery.Worker):  # type: ignore[misc]  # it is made for this app when first used
        def install_platform_tweaks(self, worker: object) -> None:
            """Stop at the first signal, without words of Celery's on standard error and without other signals'
            meanings: jobs are given back rather than waited for.
            """
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, stop)

    def stop(_number: int, _frame: FrameType | None) -> None:
        runner.stopping.set()
        state.should_stop = 0

    # Celery warns root of messages that run code. These hold an id, as JSON; containers may well run as root.
    warnings.simplefilter("ignore", SecurityWarning)
    signals.setup_logging.connect(_leave_logging_alone)
    worker = Worker(
        hostname=f"duet@{name}",
        queues=list(settings.worker_queues),
        concurrency=settings.worker_jobs,
        quiet=True,
        **WORKER_OPTIONS,
    )
    log.info("worker %s takes jobs: %s", name, ", ".join(settings.worker_queues))
    worker.start()


def _leave_logging_alone(**_: Any) -> None:
    """Celery sets up no logging where somebody listens to this signal; it keeps a weak reference alone."""
