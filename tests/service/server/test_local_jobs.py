"""Local job processing of `duet serve`: broker and worker start, restart and stop with the service."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis

from service.broker.address import embedded_url
from service.broker.embedded import EmbeddedBroker
from tests.support.children import is_alive, wait_until
from tests.support.onnx_models import gray_png
from tests.support.service import ServiceProcess, child_processes, service_process

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the processes are looked up in /proc"),
]
BROKER, WORKER = b"valkey-server", b"duet\0worker"


@contextmanager
def serving(home: Path, **environment: str) -> Iterator[ServiceProcess]:
    """`duet serve` with its broker and worker, after both have started."""
    settings = {"DUET_EMBEDDED_BROKER": "1", "DUET_DRAIN_NOTICE_SECONDS": "0", **environment}
    with service_process(home, **settings) as service:
        wait_until(EmbeddedBroker(home).answers)
        if settings.get("DUET_EMBEDDED_WORKER") != "0":
            wait_until(lambda: len(beside(service, WORKER)) == 1)
        yield service


def beside(service: ServiceProcess, command: bytes) -> list[int]:
    """Ids of the child processes of a service whose command line contains this text."""
    found = []
    for pid in child_processes(service.process.pid):
        try:
            line = Path(f"/proc/{pid}/cmdline").read_bytes()
        except FileNotFoundError:
            continue
        if command in line and b"die_with_parent.py" not in line:
            found.append(pid)
    return found


def descendants(pid: int) -> list[int]:
    children = child_processes(pid)
    return children + [below for child in children for below in descendants(child)]


def said(service: ServiceProcess, words: str) -> list[dict[str, Any]]:
    return [line for line in service.log if words in line["message"]]


def predict(service: ServiceProcess) -> str:
    answer = httpx.post(f"{service.url}/predict", files={"file": gray_png(255)}, timeout=30)
    assert answer.status_code == 200, answer.text
    label: str = answer.json()["predictions"][0]["label"]
    return label


@pytest.mark.parametrize("workers", ["1", pytest.param("2", marks=pytest.mark.full)])
def test_sigterm_leaves_nothing_running(home: Path, workers: str) -> None:
    with serving(home, DUET_WORKERS=workers) as service:
        started = descendants(service.process.pid)
        assert len(beside(service, BROKER)) == 1
        assert predict(service) == "white"
        service.terminate()
        assert service.wait() == 0
        assert not any(is_alive(pid) for pid in started)
        assert not (home / "broker" / "broker.sock").exists()
        assert not [line for line in service.log if line["level"] == "error"]


@pytest.mark.parametrize("workers", ["1", pytest.param("2", marks=pytest.mark.full)])
def test_sigkill_leaves_nothing_running(home: Path, workers: str) -> None:
    with serving(home, DUET_WORKERS=workers) as service:
        started = descendants(service.process.pid)
        service.process.kill()
        wait_until(lambda: not any(is_alive(pid) for pid in started))
    with serving(home) as next_one:  # at once, over the same files
        assert predict(next_one) == "white"


@pytest.mark.full
def test_ctrl_c_stops_broker_and_worker_after_the_api(home: Path) -> None:
    with serving(home) as service:
        [broker], [worker] = beside(service, BROKER), beside(service, WORKER)
        for pid in (broker, worker):
            assert os.getpgid(pid) == pid  # not of the group that the terminal sends its signals to
        service.process.send_signal(signal.SIGINT)
        assert service.wait() == 0
        assert not is_alive(broker)
        assert not is_alive(worker)


def test_second_service_on_the_same_home_is_refused(home: Path) -> None:
    with serving(home, DUET_EMBEDDED_WORKER="0") as service:
        ended = subprocess.run(
            [sys.executable, "-m", "duet", "serve", "--port", "0"],
            env={**os.environ, "DUET_HOME": str(home)},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert ended.returncode == 1
        assert f"duet: another duet serve runs on {home} (process {service.process.pid}): stop it" in ended.stderr
        assert predict(service) == "white"
        assert EmbeddedBroker(home).answers()


def test_killed_broker_restarts_with_its_data(home: Path) -> None:
    with serving(home) as service, Redis.from_url(embedded_url(home), decode_responses=True) as client:
        client.set("kept", "yes")
        [broker], [worker] = beside(service, BROKER), beside(service, WORKER)
        os.kill(broker, signal.SIGKILL)
        assert predict(service) == "white"
        wait_until(EmbeddedBroker(home).answers)
        assert client.get("kept") == "yes"
        assert beside(service, BROKER) != [broker]
        assert beside(service, WORKER) == [worker]
        assert predict(service) == "white"
        wait_until(lambda: len(said(service, "the broker ended with SIGKILL, restarting it in 0.5 s")) == 1)


def test_killed_worker_is_replaced(home: Path) -> None:
    with serving(home) as service:
        [first] = beside(service, WORKER)
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: beside(service, WORKER) not in ([], [first]))
        assert len(said(service, "the worker ended with SIGKILL, restarting it in 0.5 s")) == 1
        assert predict(service) == "white"


@pytest.mark.full
def test_embedded_worker_off_starts_the_broker_alone(home: Path) -> None:
    with serving(home, DUET_EMBEDDED_WORKER="0") as service:
        [broker] = child_processes(service.process.pid)
        assert beside(service, BROKER) == [broker]


@pytest.mark.full
def test_given_broker_starts_no_processes(home: Path) -> None:
    with (
        serving(home, DUET_EMBEDDED_WORKER="0"),
        service_process(home, DUET_EMBEDDED_BROKER="1", DUET_REDIS_URL=embedded_url(home)) as other,
    ):
        assert child_processes(other.process.pid) == []
        assert predict(other) == "white"


@pytest.mark.full
def test_broker_password_is_not_logged(home: Path) -> None:
    with service_process(home, DUET_REDIS_URL="redis://:hunter2@127.0.0.1:1/0") as service:
        assert predict(service) == "white"
        service.terminate()
        assert service.wait() == 0
    assert "hunter2" not in str(service.log)
    assert said(service, "settings")[0]["settings"]["redis_url"] == "**********"


def test_training_setup_runs_beside_and_dies_with_the_service(home: Path, tmp_path: Path) -> None:
    python = tmp_path / "environment" / "bin" / "python"
    setup = f'{sys.executable} -S -c "import time; time.sleep(600)"'
    with serving(home, DUET_TRAINING_PYTHON=str(python), DUET_TRAINING_SETUP=setup) as service:
        wait_until(lambda: len(beside(service, b"time.sleep(600)")) == 1)
        [making] = beside(service, b"time.sleep(600)")
        assert predict(service) == "white"
        service.process.kill()
        wait_until(lambda: not is_alive(making))
