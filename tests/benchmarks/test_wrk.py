from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest

from benchmarks.common.http import raw_request
from benchmarks.common.report import BenchmarkError
from benchmarks.common.wrk import parse_wrk, wrk_load
from tests.benchmarks.conftest import OK, LocalServer, status_answer

OUTPUT = """Running 5s test @ http://127.0.0.1:8000/
  1 threads and 32 connections
  2345 requests in 5.30s, 3.20MB read
Requests/sec:    442.45

wrk-json {"requests":2345,"seconds":5.300000,"p50_us":65012,"p99_us":98765,%s}
"""
ERRORS = '"connect":1,"read":2,"write":3,"timeout":4,"status":5'
needs_wrk = pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")


def test_parse_wrk_reads_answers_errors_and_latencies() -> None:
    load = parse_wrk(OUTPUT % ERRORS)
    assert load.answered == 2340
    assert load.errors == 15
    assert load.seconds == pytest.approx(5.0)
    assert load.per_second == pytest.approx(468.0)
    assert (load.p50_ms, load.p99_ms) == (65.012, 98.765)


def test_parse_wrk_without_figures_is_an_error() -> None:
    with pytest.raises(BenchmarkError, match="unable to connect"):
        parse_wrk("unable to connect to 127.0.0.1:1 Connection refused\n")


def test_wrk_load_without_wrk_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(BenchmarkError, match="apt-get install wrk"):
        wrk_load(1, [], clients=1, seconds=1)


@needs_wrk
def test_wrk_load_sends_requests_in_turn(local_server: Callable[..., LocalServer]) -> None:
    server = local_server(lambda _: OK)
    # Line ends and lengths inside the bodies must not confuse the script that reads them from one file.
    bodies = [b"12\n", b"\n\n34\r\n", bytes(range(256))]
    load = wrk_load(server.port, [raw_request("/", body) for body in bodies], clients=1, seconds=1)
    assert load.errors == 0
    assert load.answered > len(bodies)
    # wrk asks its script for one request before the load, to validate it.
    assert server.bodies[:6] == [*bodies[1:], *bodies, bodies[0]]
    assert 0 < load.p50_ms <= load.p99_ms


@needs_wrk
def test_wrk_load_counts_rejections_as_errors(local_server: Callable[..., LocalServer]) -> None:
    server = local_server(lambda index: OK if index % 2 else status_answer(503))
    load = wrk_load(server.port, [raw_request("/", b"x")], clients=2, seconds=1)
    assert load.errors > 0
    assert abs(load.errors - load.answered) <= 2
