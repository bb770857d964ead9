from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from core.errors import BrokerUnavailableError
from core.repository.repository import ModelRepository
from service.jobs.dispatch import Dispatcher
from service.jobs.maintenance.loop import job_maintenance
from service.jobs.maintenance.reaper import Reaper
from service.jobs.maintenance.retention import Retention
from service.jobs.store.keys import QUEUED
from service.jobs.store.store import JobStore
from service.settings import Settings
from tests.support.broker import Broker, waiting
from tests.support.children import wait_until
from tests.support.jobs import submit


@contextmanager
def maintained(reaper: Reaper, retention: Retention) -> Iterator[None]:
    thread = job_maintenance(reaper, retention, every_seconds=0.02)
    thread.start()
    try:
        yield
    finally:
        thread.close(60)


def test_maintenance_survives_an_outage_and_logs_it_once(
    mortal_broker: Broker,
    mortal_store: JobStore,
    mortal_dispatcher: Dispatcher,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = mortal_store
    reaper = Reaper(store, mortal_dispatcher)
    retention = Retention(store, ModelRepository(tmp_path / "models", tmp_path / "none"), Settings(home=tmp_path))
    caplog.set_level(logging.WARNING, logger="duet.jobs")

    def away() -> int:
        return caplog.text.count("job maintenance failed")

    with maintained(reaper, retention):
        mortal_broker.kill()
        wait_until(lambda: away() == 1)
        with pytest.raises(BrokerUnavailableError):
            store.list()
        assert away() == 1
        mortal_broker.restart()
        job = submit(store)
        store.client.zadd(QUEUED, {job.id: 1}, xx=True)
        wait_until(lambda: waiting(store.client, "train") == [job.id])
    assert "Traceback" not in caplog.text


def test_failed_round_is_logged_and_the_loop_continues(
    store: JobStore, dispatcher: Dispatcher, caplog: pytest.LogCaptureFixture
) -> None:
    rounds = []

    class Broken(Reaper):
        def run_once(self) -> None:  # type: ignore[override]
            rounds.append(1)
            raise ZeroDivisionError("a defect")

    with maintained(Broken(store, dispatcher), Retention(store, ModelRepository.open(), Settings())):
        wait_until(lambda: len(rounds) > 3)
    assert "ZeroDivisionError: a defect" in caplog.text
