"""Periodic thread: rounds, failures that are logged once, and the end."""

from __future__ import annotations

import logging
import threading

import pytest

from core.errors import DuetError
from service.periodic_thread import PeriodicThread
from tests.support.children import wait_until

log = logging.getLogger("duet.tests")


def test_rounds_follow_each_other_until_it_is_closed() -> None:
    rounds: list[str] = []

    def call() -> None:
        rounds.append(threading.current_thread().name)

    thread = PeriodicThread("work", call, every_seconds=0.001, log=log)
    thread.run_once()
    assert len(rounds) == 1
    thread.start()
    wait_until(lambda: len(rounds) >= 3)
    thread.close(60)
    assert set(rounds[1:]) == {"work"}
    assert "work" not in [each.name for each in threading.enumerate()]


def test_equal_failures_are_logged_once_until_a_round_succeeds(caplog: pytest.LogCaptureFixture) -> None:
    outcomes: list[Exception | None] = [OSError("full"), OSError("full"), None, OSError("full"), DuetError("no broker")]

    def call() -> None:
        outcome = outcomes.pop(0)
        if outcome is not None:
            raise outcome

    thread = PeriodicThread("work", call, every_seconds=5, log=log)
    for _ in range(5):
        thread.run_once()
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "work failed, and is tried again every 5 s: full"),
        ("WARNING", "work failed, and is tried again every 5 s: full"),
        ("WARNING", "work failed, and is tried again every 5 s: no broker"),
    ]
    assert "Traceback" not in caplog.text


def test_defect_is_logged_with_its_traceback_and_ends_its_round_only(caplog: pytest.LogCaptureFixture) -> None:
    rounds: list[int] = []

    def call() -> None:
        rounds.append(1)
        raise ZeroDivisionError("a defect")

    thread = PeriodicThread("work", call, every_seconds=0.001, log=log)
    thread.start()
    wait_until(lambda: len(rounds) > 2)
    thread.close(60)
    [record] = caplog.records
    assert record.levelname == "ERROR"
    assert "Traceback" in caplog.text


def test_close_before_the_start_does_nothing() -> None:
    PeriodicThread("work", lambda: None, every_seconds=1, log=log).close(60)


def test_close_returns_while_a_round_hangs() -> None:
    began, release = threading.Event(), threading.Event()

    def call() -> None:
        began.set()
        release.wait()

    thread = PeriodicThread("work", call, every_seconds=0.001, log=log)
    thread.start()
    assert began.wait(60)
    thread.close(0.01)
    release.set()


def test_first_round_is_made_at_once_on_request() -> None:
    done = threading.Event()
    thread = PeriodicThread("work", done.set, every_seconds=3600, log=log, at_once=True)
    thread.start()
    assert done.wait(60)
    thread.close(60)
