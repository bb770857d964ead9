"""Latency of one client beside clients that send the most expensive images without a pause."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from benchmarks.common.http import HOST
from benchmarks.common.inputs import draw_images
from benchmarks.common.report import Figures, percentile
from benchmarks.common.server import Server

_INTERVAL_SECONDS = 0.05
_TIMEOUT_SECONDS = 60.0


def measure_fairness(server: Server, bodies: Sequence[bytes], *, clients: int, seconds: float) -> Figures:
    """Measure the latency of small images every 50 ms, alone and beside `clients` senders of `bodies`.

    Every client has an address of its own, 127.0.0.1 and up.
    """
    figures: Figures = {}
    quiet = _latencies(server, seconds)
    with _senders(server, bodies, clients) as answered:
        crowded = _latencies(server, seconds)
    for name, values in (("alone", quiet), (f"beside {clients} clients with large images", crowded)):
        for percent in (50, 99):
            figures[f"latency {name}: p{percent}, ms"] = [1000 * percentile(values, percent)]
    figures["large images answered per second"] = [len(answered) / seconds]
    figures["p99 beside other clients, times alone"] = [percentile(crowded, 99) / percentile(quiet, 99)]
    return figures


def _latencies(server: Server, seconds: float) -> list[float]:
    """Seconds from the time when each request was due to its answer."""
    image = draw_images(1, height=32, width=32).pngs[0]
    connection = http.client.HTTPConnection(HOST, server.port, timeout=_TIMEOUT_SECONDS)
    started, latencies = time.perf_counter(), []
    for number in range(round(seconds / _INTERVAL_SECONDS)):
        due = started + number * _INTERVAL_SECONDS
        time.sleep(max(0.0, due - time.perf_counter()))
        _post(connection, image)
        latencies.append(time.perf_counter() - due)
    connection.close()
    return latencies


@contextmanager
def _senders(server: Server, bodies: Sequence[bytes], clients: int) -> Iterator[list[int]]:
    """Clients that send until the context ends; yields the status of each answer."""
    stop, statuses = threading.Event(), list[int]()

    def send(number: int) -> None:
        source = (f"127.0.0.{2 + number}", 0)
        while not stop.is_set():
            connection = http.client.HTTPConnection(HOST, server.port, timeout=_TIMEOUT_SECONDS, source_address=source)
            try:
                statuses.append(_post(connection, bodies[number % len(bodies)]))
            except (OSError, http.client.HTTPException):
                pass  # a refused upload may be cut off
            finally:
                connection.close()

    threads = [threading.Thread(target=send, args=(number,), daemon=True) for number in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield statuses
    finally:
        stop.set()
        for thread in threads:
            thread.join(_TIMEOUT_SECONDS)


def _post(connection: http.client.HTTPConnection, body: bytes) -> int:
    connection.request("POST", "/predict", body, {"Content-Type": "application/octet-stream"})
    answer = connection.getresponse()
    answer.read()
    return answer.status
