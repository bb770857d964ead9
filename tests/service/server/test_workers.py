"""Worker supervisor: a shared port, combined metrics, restarts and shutdown."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.engine.loaded_model import LoadedModel, load_model
from service.server.server import DrainingServer
from tests.support.callers import calling
from tests.support.children import is_alive, wait_until
from tests.support.onnx_models import gray_png
from tests.support.service import ServiceProcess, child_processes, service_process, settings_for, until
from tests.support.wire import Peer, answer_on, request

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the processes and ports are looked up in /proc"),
]
WHITE = request(gray_png(255))


def ask(connection: socket.socket) -> str:
    connection.sendall(WHITE)
    answer = answer_on(connection)
    assert answer.status == 200, answer.body
    label: str = answer.json()["predictions"][0]["label"]
    return label


def ask_anew(service: ServiceProcess) -> str:
    """One request over a new connection, which may reach any worker."""
    with socket.create_connection(service.address, timeout=60) as connection:
        return ask(connection)


def scrape(service: ServiceProcess) -> dict[str, float]:
    """The metrics, as reported by one of the workers."""
    text = httpx.get(f"{service.url}/metrics").text
    return {name: float(value) for name, value in re.findall(r"^(duet_\S+) (\S+)$", text, re.MULTILINE)}


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


@pytest.fixture
def service(home: Path, scratch: Path) -> Iterator[ServiceProcess]:
    settings = {"DUET_WORKERS": "2", "DUET_THREADS": "1", "DUET_DRAIN_NOTICE_SECONDS": "0", "TMPDIR": str(scratch)}
    with service_process(home, **settings) as running:
        yield running


def test_killed_worker_is_replaced(service: ServiceProcess) -> None:
    first, second = service.workers
    connections = [socket.create_connection(service.address, timeout=60) for _ in range(40)]
    assert [ask(connection) for connection in connections] == ["white"] * 40

    os.kill(first, signal.SIGKILL)
    wait_until(lambda: not is_alive(first))
    broken = 0
    for connection in connections:
        with closing(connection):
            try:
                assert ask(connection) == "white"
            except (ConnectionError, ValueError, OSError):
                broken += 1
    assert 0 < broken < 40

    # Whoever comes from now on is answered: by the one that is left, and by the new one as soon as it can.
    def is_whole_again() -> bool:
        assert ask_anew(service) == "white"
        return service.listeners == 2

    wait_until(is_whole_again)
    assert [ask_anew(service) for _ in range(50)] == ["white"] * 50
    replaced = set(service.workers)
    assert len(replaced) == 2
    assert second in replaced
    assert first not in replaced
    service.terminate()
    assert service.wait() == 0
    assert any("ended with -9; restarting it" in line["message"] for line in service.log)


async def test_worker_accepts_connections_once_models_are_loaded(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    is_loading, may_load = threading.Event(), threading.Event()

    def slowly(*arguments: Any, **options: Any) -> LoadedModel:
        is_loading.set()
        assert may_load.wait(60)
        return load_model(*arguments, **options)

    monkeypatch.setattr("service.engine.version_loader.load_model", slowly)
    listening: list[str] = []
    server = DrainingServer(settings_for(home, workers=2), on_listening=listening.append)
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        address = bound.getsockname()
        serving = asyncio.create_task(server.serve(sockets=[bound]))
        await asyncio.to_thread(is_loading.wait)
        with pytest.raises(ConnectionRefusedError):
            await Peer.connect(address)
        assert listening == []
        may_load.set()
        await until(lambda: asyncio.sleep(0, bool(listening)))
        async with await Peer.connect(address) as peer:
            await peer.send(WHITE)
            assert (await peer.answer()).status == 200
        server.should_exit = True
        await serving


def test_metrics_of_all_workers_are_combined(service: ServiceProcess) -> None:
    images = 'duet_images_total{model="cnn",precision="fp32",version="1"}'
    requests = 'duet_http_requests_total{method="POST",route="/predict",status="200"}'
    seconds = 'duet_inference_seconds_count{model="cnn",precision="fp32",version="1"}'
    for _ in range(40):
        ask_anew(service)
    # The worker that is not asked may take a moment to add its last ones up.
    wait_until(lambda: (scrape(service)[requests], scrape(service)[seconds]) == (40, 40))
    for _ in range(20):
        told = scrape(service)
        assert (told[images], told[requests], told[seconds]) == (40, 40, 40)
    assert told['duet_model_info{model="cnn",precision="fp32",version="1"}'] == 1
    assert told['duet_queue_images{model="cnn",precision="fp32",version="1"}'] == 0
    assert [value for name, value in told.items() if name.startswith("duet_build_info{")] == [1]

    # The counts of a worker remain after its end.
    os.kill(service.workers[0], signal.SIGKILL)
    wait_until(lambda: service.listeners == 1)
    assert scrape(service)[images] == 40
    wait_until(lambda: service.listeners == 2)
    for _ in range(10):
        ask_anew(service)
    for _ in range(20):
        assert scrape(service)[images] == 50


def test_sigterm_leaves_no_process_and_no_file(service: ServiceProcess, scratch: Path) -> None:
    children = child_processes(service.process.pid)
    assert len(service.workers) == 2
    assert list(scratch.glob("duet-metrics-*"))
    ask_anew(service)
    service.terminate()
    assert service.wait() == 0
    wait_until(lambda: not any(is_alive(pid) for pid in children))
    assert list(scratch.iterdir()) == []
    assert service.listeners == 0
    assert not [line for line in service.log if line["level"] in ("warning", "error")]


def test_workers_end_when_the_parent_is_killed(service: ServiceProcess, home: Path) -> None:
    children = child_processes(service.process.pid)
    with socket.create_connection(service.address, timeout=60) as connection:
        assert ask(connection) == "white"
        service.process.kill()
        service.process.wait(60)
        wait_until(lambda: not any(is_alive(pid) for pid in children))
    assert service.listeners == 0
    with service_process(home, DUET_PORT=str(service.address[1])) as next_one:
        assert ask_anew(next_one) == "white"


@pytest.mark.full
def test_second_signal_kills_the_workers(service: ServiceProcess) -> None:
    children = child_processes(service.process.pid)
    with socket.create_connection(service.address, timeout=60) as connection:
        connection.sendall(WHITE[:-10])  # a request that is read until its deadline
        ask_anew(service)
        service.terminate()
        wait_until(lambda: service.listeners == 0)
        assert service.process.poll() is None
        service.terminate()
        assert service.wait() == 0
    wait_until(lambda: not any(is_alive(pid) for pid in children))


@pytest.mark.full
def test_signal_to_the_process_group_counts_once(home: Path) -> None:
    """A terminal signals every process: each worker gets the signal twice and still keeps its notice period."""
    with service_process(home, DUET_WORKERS="2", DUET_DRAIN_NOTICE_SECONDS="600") as service:
        children = child_processes(service.process.pid)
        for pid in (service.process.pid, *service.workers):
            os.kill(pid, signal.SIGTERM)
        wait_until(lambda: httpx.get(f"{service.url}/readyz").status_code == 503)
        for _ in range(30):
            assert ask_anew(service) == "white"
            time.sleep(0.01)
        assert service.listeners == 2
        service.terminate()
        assert service.wait() == 0
    wait_until(lambda: not any(is_alive(pid) for pid in children))


@pytest.mark.parametrize("delay", [0.1, *(pytest.param(delay, marks=pytest.mark.full) for delay in (0.0, 0.3, 0.6))])
def test_sigterm_while_workers_start_ends_them_too(home: Path, delay: float) -> None:
    """At different moments: before a worker has a process, while it imports, while it loads models."""
    process = subprocess.Popen(
        [sys.executable, "-m", "duet", "serve", "--port", "0"],
        env={
            **os.environ,
            "DUET_HOME": str(home),
            "DUET_SHIPPED_MODELS": str(home / "none"),
            "DUET_EMBEDDED_BROKER": "0",
            "DUET_WORKERS": "3",
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    with process:
        wait_until(lambda: len(child_processes(process.pid)) > 0)
        time.sleep(delay)
        children = child_processes(process.pid)
        process.terminate()
        assert process.wait(60) == 0
    wait_until(lambda: not any(is_alive(pid) for pid in children))


@pytest.mark.parametrize("workers", ["2", pytest.param("1", marks=pytest.mark.full)])
def test_port_of_workers_is_refused_to_another_service(service: ServiceProcess, home: Path, workers: str) -> None:
    assert_refused(service, home, workers)


@pytest.mark.full
def test_port_of_one_process_is_refused_to_workers(home: Path) -> None:
    with service_process(home) as service:
        assert_refused(service, home, "2")


@pytest.mark.full
def test_port_is_held_while_no_worker_lives(service: ServiceProcess) -> None:
    for pid in service.workers:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: service.listeners == 0)
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as a service of one process has it
        with pytest.raises(OSError, match="Address already in use"):
            stranger.bind(service.address)
    wait_until(lambda: service.listeners == 2)
    assert ask_anew(service) == "white"


def assert_refused(service: ServiceProcess, home: Path, workers: str) -> None:
    host, port = service.address
    before = service.listeners
    ended = subprocess.run(
        [sys.executable, "-m", "duet", "serve", "--port", str(port)],
        env={**os.environ, "DUET_HOME": str(home), "DUET_WORKERS": workers},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 1
    assert ended.stderr.strip().splitlines() == [
        f"duet: cannot listen on {host}:{port} (Address already in use): set DUET_HOST and DUET_PORT to a free address"
    ]
    assert service.listeners == before
    assert ask_anew(service) == "white"


@pytest.mark.full
def test_log_lines_of_workers_do_not_interleave(service: ServiceProcess) -> None:
    """The workers share one pipe, and under load each writes many lines at a time."""
    with calling(service.address, 12) as callers:
        wait_until(lambda: all(caller.answered > 150 or caller.failure for caller in callers))
    assert [caller.failure for caller in callers] == [None] * 12
    service.terminate()
    assert service.wait() == 0  # reading its log parses every line
    answered = [line for line in service.log if line["message"] == "POST /predict 200"]
    assert len(answered) == sum(caller.answered for caller in callers)
