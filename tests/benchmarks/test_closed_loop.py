from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from benchmarks.serving.closed_loop import python_load
from benchmarks.serving.errors import BenchmarkError
from benchmarks.serving.messages import raw_request
from benchmarks.serving.processes import free_port
from tests.benchmarks.conftest import OK, LocalServer, status_answer

REQUESTS = [raw_request("/", body) for body in (b"a", b"b", b"c")]


def test_the_clients_send_every_request_in_turn(local_server: Callable[..., LocalServer]) -> None:
    server = local_server(lambda _: OK)
    load = python_load(server.port, REQUESTS, clients=1, seconds=0.3)
    assert load.errors == 0
    assert load.answered > 6
    assert server.bodies[:6] == [b"a", b"b", b"c"] * 2
    assert len(server.bodies) - load.answered in (0, 1)
    assert load.per_second == pytest.approx(load.answered / load.seconds)


def test_latency_is_the_time_of_the_answer(local_server: Callable[..., LocalServer]) -> None:
    def slow(_: int) -> bytes:
        time.sleep(0.02)
        return OK

    # The server answers one at a time, so with four clients each waits for the three others too.
    alone = python_load(local_server(slow).port, REQUESTS, clients=1, seconds=0.4)
    together = python_load(local_server(slow).port, REQUESTS, clients=4, seconds=0.8)
    assert alone.p50_ms >= 20
    assert together.p50_ms >= 60
    assert together.p50_ms > alone.p50_ms


def test_refusals_and_closed_connections_are_errors_and_do_not_end_the_load(
    local_server: Callable[..., LocalServer],
) -> None:
    def respond(index: int) -> bytes:
        return {0: status_answer(503), 1: b"", 2: status_answer(200, b"{}", "Connection: close")}.get(index, OK)

    load = python_load(local_server(respond).port, REQUESTS, clients=1, seconds=0.3)
    assert load.errors == 2
    assert load.answered > 3


def test_nothing_there_is_said_at_once() -> None:
    with pytest.raises(BenchmarkError, match="cannot be reached"):
        python_load(free_port(), REQUESTS, clients=2, seconds=0.1)
