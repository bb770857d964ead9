from __future__ import annotations

import socket

import pytest
from starlette.datastructures import Headers

from service.errors import CrossOriginError, HostNotAllowedError
from service.security.origins import check_host, check_same_origin, is_secure, own_names

NAMES = own_names(["Duet.Example.org"], "models.internal")


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
def test_addresses_and_own_names_are_taken(host: str) -> None:
    check_host(headers(("host", host)), NAMES)


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
def test_names_that_could_be_rebound_are_refused(host: str) -> None:
    with pytest.raises(HostNotAllowedError):
        check_host(headers(("host", host)), NAMES)


def test_a_request_has_one_host() -> None:
    for several in ([], [("host", "localhost"), ("host", "evil.example")]):
        with pytest.raises(HostNotAllowedError):
            check_host(headers(*several), NAMES)


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
def test_the_port_of_the_scheme_need_not_be_said(host: str, origin: str) -> None:
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


def test_the_browser_says_whether_it_came_over_tls() -> None:
    assert is_secure(headers(("host", "duet"), ("origin", "https://duet")))
    assert not is_secure(headers(("host", "duet"), ("origin", "http://duet")))
    assert not is_secure(headers(("host", "duet")))
