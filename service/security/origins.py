"""What browsers must not be tricked into: requests under a name that is not this service's, or from another page.

A page whose name is made to resolve to this machine ("DNS rebinding") counts as same-origin in the browser, and gives
itself away by that name in the Host header: addresses and names that cannot be rebound are allowed, others only where
the settings list them. A page of another origin gives itself away by Sec-Fetch-Site, or, in browsers and over
connections without it, by Origin; SameSite=Strict alone would let through what comes from another port of this host.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from service.errors import CrossOriginError, HostNotAllowedError

_DEFAULT_PORTS = {"http": 80, "https": 443}


def own_names(configured: Iterable[str], listening_on: str) -> frozenset[str]:
    """The names that this service goes by, in lower case: those configured, the one it listens on, the machine's."""
    return frozenset(name.lower() for name in (*configured, listening_on, socket.gethostname()))


def check_host(headers: Headers, names: frozenset[str]) -> None:
    """Raises HostNotAllowedError unless Host is an address, localhost, or one of `names`."""
    stated = headers.getlist("host")
    host = _split(f"//{stated[0]}") if len(stated) == 1 else None
    if host is None or not (_cannot_be_rebound(host[0]) or host[0] in names):
        raise HostNotAllowedError(", ".join(stated))


def check_same_origin(headers: Headers) -> None:
    """Raises CrossOriginError unless the browser says that the request comes from a page of this very service."""
    fetched = headers.get("sec-fetch-site")
    if fetched is not None:
        if fetched != "same-origin":
            raise CrossOriginError(headers.get("origin") or fetched)
        return
    origin = headers.get("origin", "")
    scheme = origin.partition("://")[0].lower()
    theirs, ours = _split(origin, scheme), _split(f"//{headers.get('host', '')}", scheme)
    if theirs is None or scheme not in _DEFAULT_PORTS or theirs != ours:
        raise CrossOriginError(origin)


def is_secure(headers: Headers) -> bool:
    """Whether the browser reaches this service over TLS, which a proxy before it may have ended."""
    return headers.get("origin", "").lower().startswith("https://")


def _split(url: str, scheme: str = "http") -> tuple[str, int | None] | None:
    """Host in lower case and port, the scheme's own where none is stated; None of what has neither."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if not host or parts.username is not None or parts.path not in ("", "/"):
        return None
    return host.rstrip("."), port if port is not None else _DEFAULT_PORTS.get(scheme)


def _cannot_be_rebound(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
