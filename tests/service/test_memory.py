"""Memory use: constant after many requests, compared with the first ones."""

from __future__ import annotations

import random
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.onnx_models import gray_png
from tests.support.service import ServiceProcess, service_process
from tests.support.wire import FORM, answer_on, form, head, request

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(sys.platform != "linux", reason="the size of the process is looked up in /proc"),
]
MIB = 1024 * 1024
CLIENTS = 4
PICTURES = [gray_png(gray) for gray in range(0, 256, 5)]


@pytest.fixture(params=["1", "2"], ids=["on the event loop", "on threads"])
def service(home: Path, request: pytest.FixtureRequest) -> Iterator[ServiceProcess]:
    room = {"DUET_QUEUE_SIZE": "1024"}  # for all the clients of these tests at once
    with service_process(home, DUET_THREADS=request.param, DUET_LOG_LEVEL="warning", **room) as running:
        yield running


def resident_mib(service: ServiceProcess) -> float:
    status = Path(f"/proc/{service.process.pid}/status").read_text(encoding="utf-8")
    [line] = [line for line in status.splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1]) / 1024


def in_a_crowd(service: ServiceProcess, talk: Callable[[tuple[str, int], random.Random], None], seed: int) -> None:
    """Run `talk` on several threads at once; it must not fail on any of them."""
    failures: list[BaseException] = []

    def run(number: int) -> None:
        try:
            talk(service.address, random.Random(100 * seed + number))
        except BaseException as error:  # whatever it is, the test must fail of it
            failures.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures


def growth_mib(service: ServiceProcess, talk: Callable[[tuple[str, int], random.Random], None], times: int) -> float:
    """Growth of resident memory, in MiB, from the end of the first round of clients to the end of the last."""
    in_a_crowd(service, talk, 0)
    before = resident_mib(service)
    for seed in range(1, times):
        in_a_crowd(service, talk, seed)

    return resident_mib(service) - before


def test_batches_of_ever_other_sizes_and_queries(service: ServiceProcess) -> None:
    def talk(address: tuple[str, int], chance: random.Random) -> None:
        with socket.create_connection(address, timeout=60) as connection:
            for _ in range(150):
                files = [chance.choice(PICTURES) for _ in range(chance.choice((1, 1, 2, 5, 13, 40)))]
                model, top_k = chance.choice(("cnn", "mlp")), chance.randint(1, 1000)
                connection.sendall(
                    request(form(files), content_type=FORM, path=f"/predict?model={model}&top_k={top_k}")
                )
                answer = answer_on(connection)
                assert answer.status == 200, answer.body
                assert len(answer.json()["predictions"]) == len(files)

    assert growth_mib(service, talk, 6) < 16


def test_rejected_large_bodies_do_not_leak(service: ServiceProcess) -> None:
    no_image = bytes(4 * MIB)
    half_a_form = form([gray_png(0), no_image])[: 3 * MIB]

    def talk(address: tuple[str, int], chance: random.Random) -> None:
        with socket.create_connection(address, timeout=60) as connection:
            for _ in range(12):
                for body, content_type, status in (
                    (no_image, "image/png", 422),
                    (no_image, "application/json", 415),
                    (half_a_form, FORM, 400),
                ):
                    connection.sendall(request(body, content_type=content_type))
                    assert answer_on(connection).status == status

    assert growth_mib(service, talk, 5) < 48


def test_disconnecting_clients_do_not_leak(service: ServiceProcess) -> None:
    half = bytes(2 * MIB)

    def talk(address: tuple[str, int], chance: random.Random) -> None:
        for _ in range(40):
            with socket.create_connection(address, timeout=60) as connection:
                connection.sendall(head("Content-Type: image/png", f"Content-Length: {2 * len(half)}") + half)

    assert growth_mib(service, talk, 5) < 48
