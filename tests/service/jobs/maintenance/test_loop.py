from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from core.errors import BrokerUnavailableError
from core.repository.repository import ModelRepository
from service.jobs.celery_app import make_celery
from service.jobs.dispatch import Dispatcher
from service.jobs.maintenance.loop import run_maintenance
from service.jobs.maintenance.reaper import Reaper
from service.jobs.maintenance.retention import Retention
from service.jobs.store.keys import QUEUED
from service.jobs.store.store import JobStore
from service.settings import Settings
from tests.support.broker import Broker
from tests.support.jobs import submit
from tests.support.messages import waiting


@contextmanager
def maintained(reaper: Reaper, retention: Retention) -> Iterator[threading.Thread]:
    stop = threading.Event()
    thread = threading.Thread(target=run_maintenance, args=(reaper, retention, stop), kwargs={"every_seconds": 0.02})
    thread.start()
    try:
        yield thread
    finally:
        stop.set()
        thread.join(60)
        assert not thread.is_alive()


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_maintenance_survives_an_outage_and_logs_it_once(
    mortal_broker: Broker, tmp_path_factory: pytest.TempPathFactory, caplog: pytest.LogCaptureFixture
) -> None:
    home = tmp_path_factory.mktemp("home")
    store, app = JobStore.open(mortal_broker.url), make_celery(mortal_broker.url)
    reaper = Reaper(store, Dispatcher(app))
    retention = Retention(store, ModelRepository(home / "models", home / "none"), Settings(home=home))
    caplog.set_level(logging.WARNING, logger="duet.jobs")

    def away() -> int:
        return caplog.text.count("job maintenance is paused")

    with maintained(reaper, retention):
        mortal_broker.kill()
        until(lambda: away() == 1)
        with pytest.raises(BrokerUnavailableError):
            store.list()
        assert away() == 1
        mortal_broker.restart()
        job = submit(store)
        store.client.zadd(QUEUED, {job.id: 1}, xx=True)
        until(lambda: waiting(store.client, "train") == [job.id])
    assert "failed" not in caplog.text
    store.client.close()
    app.close()


def test_a_defect_in_a_round_is_logged_and_the_next_round_comes(
    store: JobStore, broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    rounds = []

    class Broken(Reaper):
        def run_once(self) -> None:  # type: ignore[override]
            rounds.append(1)
            raise ZeroDivisionError("a defect")

    app = make_celery(broker.url)
    settings = Settings()
    with maintained(Broken(store, Dispatcher(app)), Retention(store, ModelRepository.open(), settings)):
        until(lambda: len(rounds) > 3)
    assert "ZeroDivisionError: a defect" in caplog.text
    app.close()
