from __future__ import annotations

import socket

import pytest
from starlette.datastructures import Headers

from service.errors import CrossOriginError, HostNotAllowedError, InvalidHostError
from service.security.origins import HostCheck, check_same_origin, is_secure, own_names

NAMES = own_names(["Duet.Example.org"], "models.internal")


def scope(path: str = "/models", version: str = "1.1") -> dict[str, str]:
    return {"path": path, "http_version": version}


def headers(*pairs: tuple[str, str]) -> Headers:
    return Headers(raw=[(name.encode(), value.encode()) for name, value in pairs])


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1:8000",
        "[::1]:8000",
        "192.168.1.7:8000",
        "localhost",
        "LOCALHOST:8000",
        "duet.localhost:8000",
        "duet.example.org",
        "DUET.example.org.:443",
        "models.internal:8000",
        socket.gethostname(),
    ],
)
def test_ip_addresses_and_configured_names_are_accepted(host: str) -> None:
    hosts, sent = HostCheck(NAMES), host.encode()
    assert not hosts.accepts(sent, scope())
    hosts.check(sent)
    assert hosts.accepts(sent, scope())


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8000",
        "duet.example.org.evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "notlocalhost",
        "127.0.0.1@evil.example",
        "evil.example/127.0.0.1",
        "evil.example\\@127.0.0.1",
        "127.0.0.1:port",
        "[::1",
        "",
        "2130706433.evil",
    ],
)
def test_host_open_to_dns_rebinding_is_refused(host: str) -> None:
    hosts = HostCheck(NAMES)
    for _ in range(2):
        assert not hosts.accepts(host.encode(), scope())
        with pytest.raises(HostNotAllowedError):
            hosts.check(host.encode())


def test_request_with_several_hosts_is_refused() -> None:
    hosts = HostCheck(NAMES)
    for sent in (None, b"localhost, evil.example", b"localhost, localhost"):
        assert not hosts.accepts(sent, scope())
        with pytest.raises(InvalidHostError):
            hosts.check(sent)
    assert hosts.accepts(None, scope(version="1.0"))


def test_probes_may_name_any_host() -> None:
    assert HostCheck(NAMES).accepts(b"evil.example", scope("/readyz"))
    assert not HostCheck(NAMES).accepts(b"evil.example", scope("/metrics"))


def test_accepted_hosts_are_bounded() -> None:
    hosts = HostCheck(NAMES)
    for port in range(1, 2000):
        hosts.check(b"127.0.0.1:%d" % port)
    assert sum(hosts.accepts(b"127.0.0.1:%d" % port, scope()) for port in range(1, 2000)) <= 256


@pytest.mark.parametrize(
    "stated",
    [
        [("sec-fetch-site", "same-origin")],
        # A proxy before the service may have another Host; the browser knows better.
        [("sec-fetch-site", "same-origin"), ("origin", "https://duet.example.org")],
        [("origin", "http://127.0.0.1:8000")],
        [("origin", "HTTP://127.0.0.1:8000")],
    ],
)
def test_own_pages_may(stated: list[tuple[str, str]]) -> None:
    check_same_origin(headers(("host", "127.0.0.1:8000"), *stated))


@pytest.mark.parametrize(
    ("host", "origin"),
    [("duet.example.org", "https://duet.example.org"), ("duet.example.org:443", "https://duet.example.org")],
)
def test_default_port_may_be_omitted(host: str, origin: str) -> None:
    check_same_origin(headers(("host", host), ("origin", origin)))


@pytest.mark.parametrize(
    "stated",
    [
        [],
        [("origin", "null")],
        [("origin", "http://127.0.0.1:9000")],
        [("origin", "http://127.0.0.1")],
        [("origin", "http://localhost:8000")],
        [("origin", "http://evil.example")],
        [("origin", "http://evil.example/127.0.0.1:8000")],
        [("origin", "http://127.0.0.1:8000@evil.example")],
        [("origin", "ftp://127.0.0.1:8000")],
        [("origin", "127.0.0.1:8000")],
        [("sec-fetch-site", "same-site"), ("origin", "http://127.0.0.1:8000")],
        [("sec-fetch-site", "cross-site")],
        [("sec-fetch-site", "none")],
    ],
)
def test_other_pages_may_not(stated: list[tuple[str, str]]) -> None:
    with pytest.raises(CrossOriginError):
        check_same_origin(headers(("host", "127.0.0.1:8000"), *stated))


def test_scheme_of_the_origin_decides_secure() -> None:
    assert is_secure(headers(("host", "duet"), ("origin", "https://duet")))
    assert not is_secure(headers(("host", "duet"), ("origin", "http://duet")))
    assert not is_secure(headers(("host", "duet")))
