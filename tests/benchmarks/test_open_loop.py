from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest

from benchmarks.common import open_loop
from benchmarks.common.http import raw_request
from benchmarks.common.open_loop import open_load, poisson_arrivals
from tests.benchmarks.conftest import OK, LocalServer, status_answer

REQUESTS = [raw_request("/", b"a"), raw_request("/", b"b")]


@pytest.fixture(autouse=True)
def few_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_loop, "OPENED_CONNECTIONS", 4)


def test_poisson_arrivals_have_the_rate_and_follow_the_seed() -> None:
    due = poisson_arrivals(1000, 20, seed=1)
    assert np.all(np.diff(due) > 0)
    assert due[0] >= 0
    assert due[-1] < 20
    # The deviation of a Poisson count is the root of its mean (141 here); that of a gap is its mean.
    assert len(due) == pytest.approx(20_000, abs=5 * 141)
    assert np.diff(due).std() == pytest.approx(1 / 1000, rel=0.05)
    assert np.array_equal(due, poisson_arrivals(1000, 20, seed=1))
    assert not np.array_equal(due, poisson_arrivals(1000, 20, seed=2))


def test_open_load_answers_and_samples(local_server: Callable[..., LocalServer]) -> None:
    server = local_server(lambda _: OK)
    run = open_load(server.port, REQUESTS, np.linspace(0, 0.5, 100), probe=lambda: 7.0)
    assert [one.answer.status for one in run.outcomes if one.answer] == [200] * 100
    assert sorted(server.bodies) == [b"a"] * 50 + [b"b"] * 50
    assert all(one.due <= one.sent <= one.ended for one in run.outcomes)
    assert len(run.samples) >= 2
    assert {value for _, value in run.samples} == {7.0}


def test_open_load_keeps_its_schedule_during_a_stall(local_server: Callable[..., LocalServer]) -> None:
    def stall_once(index: int) -> bytes:
        if index == 0:
            time.sleep(0.4)
        return OK

    run = open_load(local_server(stall_once).port, REQUESTS, np.linspace(0, 0.2, 21))
    # A closed loop would send the second request after the stall and measure a short latency.
    assert all(one.sent < run.outcomes[0].ended for one in run.outcomes)
    assert all(one.ended - one.due >= 0.4 - one.due - 0.01 for one in run.outcomes)


def test_open_load_separates_rejections_and_broken_connections(local_server: Callable[..., LocalServer]) -> None:
    def respond(index: int) -> bytes:
        return {0: status_answer(429), 1: b"", 2: status_answer(200, b"{}", "Connection: close")}.get(index, OK)

    run = open_load(local_server(respond).port, REQUESTS, np.linspace(0, 0.3, 8))
    found = [one.answer.status if one.answer else one.problem for one in run.outcomes]
    assert found == [429, "BadAnswerError: closed by the server", *[200] * 6]


def test_open_load_bounds_connections(
    local_server: Callable[..., LocalServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_loop, "OPENED_CONNECTIONS", 1)
    monkeypatch.setattr(open_loop, "MAX_CONNECTIONS", 2)

    def slow(_: int) -> bytes:
        time.sleep(0.2)
        return OK

    run = open_load(local_server(slow).port, REQUESTS, np.linspace(0, 0.05, 5))
    assert [one.problem for one in run.outcomes] == [None, None, *["not sent: 2 requests are unanswered"] * 3]
