from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpcore
import pytest
from standardwebhooks import Webhook

from core.release import release
from service.security.webhook_settings import parse_signing_secrets
from service.webhooks import sender as module
from service.webhooks.connection import CheckedBackend, PrivateAddressError
from service.webhooks.sender import DeliveryError, Sender
from tests.support.certificates import write_certificate
from tests.support.receivers import SECRET, Receiver, receiver

BODY = b'{"type":"job.failed","timestamp":"2026-01-02T03:04:05Z","data":{}}'
SECRETS = parse_signing_secrets(SECRET)
Act = Callable[[socket.socket], None]


def sender(url: str, *, private: bool = True, addresses: Sequence[str] | None = None) -> Sender:
    resolve = None if addresses is None else lambda host, port: addresses
    return Sender(url, SECRETS, private=private, resolve=resolve)


@contextmanager
def peer(act: Act) -> Iterator[int]:
    """Port of a server that accepts one connection and does `act` with it."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                act(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


def test_message_is_posted_and_verified(shop: Receiver) -> None:
    sender(shop.url).send("msg_1", BODY)
    (received,) = shop.received
    assert (received.path, received.body) == ("/hooks/duet?token=1", BODY)
    assert received.headers["content-type"] == "application/json"
    assert received.headers["host"] == f"127.0.0.1:{shop.port}"
    assert received.headers["user-agent"] == f"duet/{release()}"
    assert Webhook(SECRET).verify(received.body, dict(received.headers))["type"] == "job.failed"
    assert received.id == "msg_1"


@pytest.mark.parametrize("status", [400, 404, 410, 429, 500, 503])
def test_other_statuses_are_failures(shop: Receiver, status: int) -> None:
    shop.statuses = [status]
    with pytest.raises(DeliveryError, match=f"the receiver responded {status}"):
        sender(shop.url).send("msg_1", BODY)


def test_redirects_are_not_followed(shop: Receiver) -> None:
    with receiver() as other:
        shop.statuses = [307]
        shop.headers = {"Location": other.url}
        with pytest.raises(DeliveryError, match="responded 307: redirects are not followed"):
            sender(shop.url).send("msg_1", BODY)
        assert other.received == []


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1"], ["10.1.2.3"], ["93.184.216.34", "::1"], ["::ffff:192.168.0.1"], ["169.254.169.254"]]
)
def test_private_addresses_are_refused_before_connecting(shop: Receiver, addresses: list[str]) -> None:
    guarded = sender(f"http://hooks.example.org:{shop.port}/", private=False, addresses=addresses)
    with pytest.raises(DeliveryError, match=r"has the private address .*: set DUET_WEBHOOK_PRIVATE=1"):
        guarded.send("msg_1", BODY)
    assert shop.received == []


def test_localhost_is_resolved_and_refused(shop: Receiver) -> None:
    with pytest.raises(DeliveryError, match="localhost has the private address"):
        sender(f"http://localhost:{shop.port}/", private=False).send("msg_1", BODY)
    assert shop.received == []


def test_rebound_name_is_connected_at_the_checked_address() -> None:
    """The name is resolved once: a second answer, which is private, has no effect."""
    answers = [["93.184.216.34"], ["127.0.0.1"]]
    connected: list[str] = []

    class Recorder(httpcore.MockBackend):
        def connect_tcp(self, host: str, *args: Any, **kwargs: Any) -> httpcore.NetworkStream:
            connected.append(host)
            return super().connect_tcp(host, *args, **kwargs)

    backend = CheckedBackend(
        2**40,
        private=False,
        resolve=lambda host, port: answers.pop(0),
        inner=Recorder([b"HTTP/1.1 204 No Content\r\n\r\n"]),
    )
    with httpcore.ConnectionPool(network_backend=backend) as pool:
        assert pool.request("POST", "http://hooks.example.org/").status == 204
    assert connected == ["93.184.216.34"]
    with (
        httpcore.ConnectionPool(network_backend=backend) as pool,
        pytest.raises(PrivateAddressError, match=r"private address 127\.0\.0\.1"),
    ):
        pool.request("POST", "http://hooks.example.org/")


def test_proxies_of_the_environment_are_not_used(shop: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    sender(shop.url).send("msg_1", BODY)
    assert len(shop.received) == 1


def test_next_address_is_tried_if_one_refuses(shop: Receiver) -> None:
    sender(f"http://hooks.example.org:{shop.port}/", addresses=["127.0.0.2", "127.0.0.1"]).send("msg_1", BODY)
    assert len(shop.received) == 1


def test_unknown_host_and_closed_port_are_failures() -> None:
    with pytest.raises(DeliveryError, match=r"no-such-host\.invalid cannot be resolved"):
        sender("http://no-such-host.invalid/").send("msg_1", BODY)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(DeliveryError, match="refused"):
        sender(f"http://127.0.0.1:{port}/").send("msg_1", BODY)


def test_response_that_trickles_ends_at_the_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TIMEOUT_SECONDS", 0.3)

    def trickle(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nx: ")
        try:
            while True:
                connection.sendall(b"a")
                time.sleep(0.02)
        except OSError:
            return

    with peer(trickle) as port, pytest.raises(DeliveryError, match="no response within"):
        sender(f"http://127.0.0.1:{port}/").send("msg_1", BODY)


def test_endless_body_is_not_read() -> None:
    sent = 0

    def flood(connection: socket.socket) -> None:
        nonlocal sent
        connection.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        try:
            while True:
                connection.sendall(b"10000\r\n" + b"a" * 0x10000 + b"\r\n")
                sent += 0x10000
        except OSError:
            return

    with peer(flood) as port:
        sender(f"http://127.0.0.1:{port}/").send("msg_1", BODY)
    assert sent < 64 * 1024 * 1024  # what the buffers of both sockets hold


@pytest.mark.parametrize("answer", [b"", b"hello\r\n\r\n", b"HTTP/1.1 20"])
def test_peer_that_speaks_no_http_is_a_failure(answer: bytes) -> None:
    def speak(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(answer)

    with peer(speak) as port, pytest.raises(DeliveryError):
        sender(f"http://127.0.0.1:{port}/").send("msg_1", BODY)


def test_tls_verifies_the_name_at_the_pinned_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate, key = write_certificate(tmp_path, "hooks.example.org")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    names: list[str | None] = []
    context.sni_callback = lambda connection, name, _: names.append(name)

    def answer(connection: socket.socket) -> None:
        try:
            with context.wrap_socket(connection, server_side=True) as secured:
                received = b""
                while BODY not in received and (more := secured.recv(65536)):
                    received += more
                secured.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
        except OSError:
            return

    with peer(answer) as port, pytest.raises(DeliveryError, match="certificate verify failed"):
        sender(f"https://hooks.example.org:{port}/", addresses=["127.0.0.1"]).send("msg_1", BODY)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with peer(answer) as port, pytest.raises(DeliveryError, match="certificate verify failed"):
        sender(f"https://other.example.org:{port}/", addresses=["127.0.0.1"]).send("msg_1", BODY)
    with peer(answer) as port:
        sender(f"https://hooks.example.org:{port}/", addresses=["127.0.0.1"]).send("msg_1", BODY)
    assert names == ["hooks.example.org", "other.example.org", "hooks.example.org"]
