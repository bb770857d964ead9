"""URL of the broker: passwords, TLS options, and the certificate that both clients demand before they send anything."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from kombu.exceptions import OperationalError
from pydantic import SecretStr
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from core.errors import ConfigurationError
from service.broker.url import configured_url, kombu_tls, kombu_url, normalized, with_password
from service.jobs.celery_app import make_celery
from service.jobs.store.redis_client import connect
from service.settings import Settings
from tests.support.certificates import write_certificate


def password_in(url: str) -> str:
    with Redis.from_url(url) as client:
        return str(client.connection_pool.connection_kwargs["password"])


@pytest.mark.parametrize(
    ("url", "theirs"),
    [
        ("redis://user:secret@host:6380/2", "redis://user:secret@host:6380/2"),
        ("redis://host", "redis://host/0"),
        ("redis://[::1]:6379/1", "redis://[::1]:6379/1"),
        ("redis://host?db=3", "redis://host/3"),
        ("rediss://host/0?ssl_ca_certs=/etc/ca.pem", "rediss://host/0"),
        ("unix:///run/a%20b/s", "redis+socket:///run/a%20b/s"),
        ("unix://user:p%40w@/run/s?db=3", "redis+socket://user:p%40w@/run/s?virtual_host=3"),
    ],
)
def test_kombu_url_names_the_same_server_and_database(url: str, theirs: str) -> None:
    assert kombu_url(url) == theirs


@pytest.mark.parametrize("password", ["pa#ss", "pa/ss", "#/?&@:%", "p@ss w/rd", "100%", "plain"])
@pytest.mark.parametrize("place", ["redis://:{}@host:6379/1", "rediss://user:{}@host/1", "unix://:{}@/run/s?db=1"])
def test_any_password_is_understood_and_never_shown(password: str, place: str) -> None:
    url = place.format(password)
    assert password_in(normalized(url)) == password
    app = make_celery(url)
    with closing(app.connection_for_write()) as connection:
        assert connection.as_uri().count(password) == 0
        if urlsplit(url).scheme != "unix":
            assert (connection.password, connection.hostname, connection.virtual_host) == (password, "host", "1")


def test_percent_encoding_is_kept() -> None:
    assert password_in(normalized("redis://:pa%23ss%2Fw@host:6379/1")) == "pa#ss/w"


@pytest.mark.parametrize(
    "url",
    ["", "localhost:6379", "http://host", "amqp://host", "redis+socket:///run/s", "redis://host:hunter2/0",
     "redis://h/0?ssl_ca_certs=hunter2&socket_timeout=hunter2"],
)  # fmt: skip
def test_invalid_url_error_does_not_show_the_url(url: str) -> None:
    for use in (normalized, kombu_url, kombu_tls):
        with pytest.raises(ConfigurationError, match="redis://127") as caught:
            use(url)
        assert "hunter2" not in str(caught.value)


def test_tls_options_are_those_of_redis_py() -> None:
    assert kombu_tls("redis://host") is None
    assert kombu_tls("rediss://host") == {"ssl_cert_reqs": "required", "ssl_check_hostname": True}
    options = kombu_tls("rediss://host?ssl_ca_certs=/etc/ca.pem&ssl_keyfile=/k&ssl_certfile=/c")
    assert options is not None
    assert (options["ssl_ca_certs"], options["ssl_keyfile"], options["ssl_certfile"]) == ("/etc/ca.pem", "/k", "/c")
    assert options["ssl_cert_reqs"] == "required"


@pytest.mark.parametrize(
    ("url", "with_it"),
    [
        ("redis://redis:6379/0", "redis://:a%2Fb%23@redis:6379/0"),
        ("rediss://user@host?db=3", "rediss://user:a%2Fb%23@host?db=3"),
        ("unix:///run/s?db=1", "unix://:a%2Fb%23@/run/s?db=1"),
        ("redis://:mine@host/0", "redis://:mine@host/0"),
    ],
)
def test_password_is_added_to_a_url_without_one(url: str, with_it: str) -> None:
    assert with_password(url, "a/b#") == with_it


def test_password_file_belongs_to_the_configured_url(tmp_path: Path) -> None:
    file = tmp_path / "password"
    assert configured_url(Settings(redis_password_file=file)) is None
    settings = Settings(redis_url=SecretStr("redis://host"), redis_password_file=file)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        configured_url(settings)
    file.write_text("\n")
    with pytest.raises(ConfigurationError, match="is empty"):
        configured_url(settings)
    file.write_text("hunter2\n")
    assert configured_url(settings) == "redis://:hunter2@host"


class Impostor:
    """A TLS server with a certificate of its own for `localhost`, which records what clients send."""

    def __init__(self, folder: Path) -> None:
        self.certificate, key = write_certificate(folder, "localhost")
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(self.certificate, key)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.received = b""
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                with suppress(OSError), self._context.wrap_socket(connection, server_side=True) as secured:
                    self.received += secured.recv(1000)

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def impostor(tmp_path: Path) -> Iterator[Impostor]:
    with closing(Impostor(tmp_path)) as server:
        yield server


def greet(url: str) -> None:
    """Let both clients connect and authenticate, which the impostor never answers."""
    with pytest.raises(RedisConnectionError), connect(url) as client:
        client.ping()
    app = make_celery(url)
    with closing(app.connection_for_write()) as connection, pytest.raises(OperationalError):
        connection.ensure_connection(max_retries=1, interval_start=0, timeout=5)


def test_untrusted_certificate_gets_no_password(impostor: Impostor) -> None:
    greet(f"rediss://:hunter2@localhost:{impostor.port}/0")
    assert impostor.received == b""


def test_another_host_name_gets_no_password(impostor: Impostor) -> None:
    greet(f"rediss://:hunter2@127.0.0.1:{impostor.port}/0?ssl_ca_certs={impostor.certificate}")
    assert impostor.received == b""


def test_certificate_of_the_configured_ca_is_trusted(impostor: Impostor) -> None:
    greet(f"rediss://:hunter2@localhost:{impostor.port}/0?ssl_ca_certs={impostor.certificate}")
    assert impostor.received.count(b"hunter2") >= 2
