"""The schedule does not depend on the answers, and latencies count from it."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest

from benchmarks.serving import open_loop
from benchmarks.serving.messages import raw_request
from benchmarks.serving.open_loop import open_load, poisson_arrivals
from tests.benchmarks.conftest import OK, LocalServer, status_answer


@pytest.fixture(autouse=True)
def few_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_loop, "OPENED_CONNECTIONS", 4)


REQUESTS = [raw_request("/", b"a"), raw_request("/", b"b")]


def test_arrivals_are_random_at_the_rate_and_the_same_for_a_seed() -> None:
    due = poisson_arrivals(1000, 20, seed=1)
    assert np.all(np.diff(due) > 0)
    assert due[0] >= 0
    assert due[-1] < 20
    # Poisson counts deviate by the root of their mean (141 here); gaps, by as much as their mean.
    assert len(due) == pytest.approx(20_000, abs=5 * 141)
    assert np.diff(due).std() == pytest.approx(1 / 1000, rel=0.05)
    assert np.array_equal(due, poisson_arrivals(1000, 20, seed=1))
    assert not np.array_equal(due, poisson_arrivals(1000, 20, seed=2))


def test_every_request_is_answered_and_watched(local_server: Callable[..., LocalServer]) -> None:
    server = local_server(lambda _: OK)
    run = open_load(server.port, REQUESTS, np.linspace(0, 0.5, 100), watch=lambda: 7.0)
    assert [one.answer.status for one in run.outcomes if one.answer] == [200] * 100
    assert sorted(server.bodies) == [b"a"] * 50 + [b"b"] * 50
    assert all(one.due <= one.sent <= one.ended for one in run.outcomes)
    assert len(run.watched) >= 2
    assert {value for _, value in run.watched} == {7.0}


def test_a_stall_delays_no_request_and_counts_for_each(local_server: Callable[..., LocalServer]) -> None:
    def stall_once(index: int) -> bytes:
        if index == 0:
            time.sleep(0.4)
        return OK

    run = open_load(local_server(stall_once).port, REQUESTS, np.linspace(0, 0.2, 21), watch=lambda: 0.0)
    latencies = [one.ended - one.due for one in run.outcomes]
    # A closed loop would have sent the second request after the stall, and found it fast.
    assert all(one.sent < run.outcomes[0].ended for one in run.outcomes)
    assert all(latency >= 0.4 - one.due - 0.01 for latency, one in zip(latencies, run.outcomes, strict=True))


def test_refusals_and_broken_connections_are_kept_apart(local_server: Callable[..., LocalServer]) -> None:
    def respond(index: int) -> bytes:
        return {0: status_answer(429), 1: b""}.get(index, OK)

    run = open_load(local_server(respond).port, REQUESTS, np.linspace(0, 0.3, 4), watch=lambda: 0.0)
    assert [one.answer.status if one.answer else one.problem for one in run.outcomes] == [
        429,
        "closed by the server",
        200,
        200,
    ]


def test_connections_are_bounded(local_server: Callable[..., LocalServer], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_loop, "OPENED_CONNECTIONS", 1)
    monkeypatch.setattr(open_loop, "MAX_CONNECTIONS", 2)

    def slow(_: int) -> bytes:
        time.sleep(0.1)
        return OK

    run = open_load(local_server(slow).port, REQUESTS, np.linspace(0, 0.05, 5), watch=lambda: 0.0)
    assert [one.problem for one in run.outcomes] == [None, None, *["not sent: 2 requests are unanswered"] * 3]
