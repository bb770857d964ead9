"""`duet serve` as a process with a socket and signals."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from core.errors import ConfigurationError
from duet.commands.serve import serve
from tests.support.onnx_models import gray_png
from tests.support.service import ServiceProcess, service_process, write_home
from tests.support.wire import answer_on, head

pytestmark = pytest.mark.slow

LIMIT = 100_000


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    home = tmp_path_factory.mktemp("home")
    write_home(home)
    with service_process(home, DUET_MAX_BODY_BYTES=str(LIMIT), DUET_DEADLINE_SECONDS="2") as running:
        yield running


def test_content_length_over_the_limit_gives_413_unread(service: ServiceProcess) -> None:
    with socket.create_connection(service.address, timeout=30) as connection:
        connection.sendall(head("Content-Type: image/png", f"Content-Length: {10 * LIMIT}"))
        answer = answer_on(connection)
        assert (answer.status, answer.json()["limit_bytes"]) == (413, LIMIT)
        assert answer.headers["connection"] == "close"
        assert connection.recv(1) == b""


@pytest.mark.parametrize("content_type", ["image/png", "multipart/form-data; boundary=XyZ"])
def test_chunked_body_over_the_limit_gives_413(service: ServiceProcess, content_type: str) -> None:
    with socket.create_connection(service.address, timeout=30) as connection:
        connection.sendall(head(f"Content-Type: {content_type}", "Transfer-Encoding: chunked"))
        start = b'--XyZ\r\nContent-Disposition: form-data; name="file"\r\n\r\n' if "XyZ" in content_type else b""
        if start:
            connection.sendall(f"{len(start):x}\r\n".encode() + start + b"\r\n")
        connection.sendall(f"{LIMIT + 1:x}\r\n".encode() + bytes(LIMIT + 1) + b"\r\n")
        # The body has no end yet, and still there is an answer.
        answer = answer_on(connection)
        assert (answer.status, answer.json()["limit_bytes"]) == (413, LIMIT)


def test_expect_continue_of_a_large_body_gives_413(service: ServiceProcess) -> None:
    with socket.create_connection(service.address, timeout=30) as connection:
        lines = ("Content-Type: image/png", f"Content-Length: {10 * LIMIT}", "Expect: 100-continue")
        connection.sendall(head(*lines))
        assert connection.recv(12) == b"HTTP/1.1 413"


def test_endless_body_gives_408(service: ServiceProcess) -> None:
    with socket.create_connection(service.address, timeout=30) as connection:
        connection.sendall(head("Content-Type: image/png", "Content-Length: 1000") + b"a few bytes")
        answer = answer_on(connection)
        assert (answer.status, answer.json()["type"]) == (408, "urn:duet:problem:body-timeout")


def test_drain_loses_no_request_and_exits_with_0(home: Path) -> None:
    image = gray_png(255)
    with (
        service_process(home, DUET_DRAIN_NOTICE_SECONDS="1.5") as service,
        socket.create_connection(service.address, timeout=30) as connection,
        httpx.Client(base_url=service.url) as other,
    ):
        lines = ("Content-Type: image/png", f"Content-Length: {len(image)}", "X-Request-ID: in-flight")
        connection.sendall(head(*lines) + image[:20])
        assert other.get("/readyz").status_code == 200
        service.terminate()
        while (draining := other.get("/readyz")).status_code == 200:
            time.sleep(0.01)
        assert draining.json()["detail"] == "the service is shutting down"
        assert draining.headers["connection"] == "close"
        accepted = other.post("/predict", content=image, headers={"content-type": "image/png"})
        assert accepted.json()["predictions"][0]["label"] == "white"
        while True:  # until the notice is over and nothing new is taken
            try:
                httpx.get(f"{service.url}/livez")
            except httpx.TransportError:
                break
        assert service.process.poll() is None
        connection.sendall(image[20:])
        answer = answer_on(connection)
        assert answer.status == 200
        assert answer.headers["connection"] == "close"
        assert answer.json()["predictions"][0]["label"] == "white"
        assert service.wait() == 0
    by_request = {line.get("request_id"): line for line in service.log}
    assert by_request["in-flight"]["message"] == "POST /predict 200"
    assert by_request["in-flight"]["duration_ms"] > 0
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in service.log)
    assert not [line for line in service.log if line["level"] in ("warning", "error")]


def test_ctrl_c_ends_an_idle_service_with_0(home: Path) -> None:
    with service_process(home, DUET_DRAIN_NOTICE_SECONDS="0") as service:
        service.process.send_signal(signal.SIGINT)
        assert service.wait() == 0


def test_address_in_use_is_one_clear_line(service: ServiceProcess, home: Path) -> None:
    port = str(service.address[1])
    ended = subprocess.run(
        [sys.executable, "-m", "duet", "serve", "--port", port], capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 1
    assert ended.stderr.strip().splitlines() == [
        f"duet: cannot listen on 127.0.0.1:{port} (Address already in use): "
        "set DUET_HOST and DUET_PORT to a free address"
    ]


def test_invalid_setting_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUET_MAX_BATCH", "none")
    monkeypatch.setenv("DUET_PORT", "99999")
    with pytest.raises(ConfigurationError, match=r"DUET_PORT: .*; DUET_MAX_BATCH: "):
        serve()
