"""Host and Origin checks against DNS rebinding and cross-site requests.

With DNS rebinding, the host name of a foreign page resolves to this machine, so the browser treats its requests as
same-origin. Their Host header still has the foreign name. IP addresses and localhost are therefore accepted as Host,
other names only if configured. Requests from another origin are detected by Sec-Fetch-Site, or by Origin if the browser
or the connection does not provide it. SameSite=Strict alone would allow requests from another port of this host.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import Scope

from service.errors import CrossOriginError, HostNotAllowedError, InvalidHostError

PROBES = frozenset({"/livez", "/readyz", "/v2/health/live", "/v2/health/ready"})
"""Paths for which any Host is accepted, because load balancers probe with names of their own."""
_DEFAULT_PORTS = {"http": 80, "https": 443}
_MAX_ACCEPTED = 256


def own_names(configured: Iterable[str], listening_on: str) -> frozenset[str]:
    """Host names of this service in lower case: configured names, listening host, machine name."""
    return frozenset(name.lower() for name in (*configured, listening_on, socket.gethostname()))


class HostCheck:
    """Check of the Host header: an address, localhost, or one of `names` (see `own_names`)."""

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names
        self._accepted: set[bytes | None] = set()

    def accepts(self, host: bytes | None, scope: Scope) -> bool:
        """Return whether the request may proceed without `check`: its Host was accepted before, or needs no check."""
        return host in self._accepted or scope["path"] in PROBES or (host is None and scope["http_version"] == "1.0")

    def check(self, host: bytes | None) -> None:
        """Check the Host header, several of which are joined by commas.

        Raises:
            InvalidHostError: there is none, or several.
            HostNotAllowedError: it names another host.
        """
        if host is None or b"," in host:
            raise InvalidHostError(repeated=host is not None)
        found = _split(f"//{host.decode('latin-1')}")
        if found is None or not (_cannot_be_rebound(found[0]) or found[0] in self._names):
            raise HostNotAllowedError(host.decode("latin-1"))
        if len(self._accepted) >= _MAX_ACCEPTED:  # an address may be followed by any port
            self._accepted.clear()
        self._accepted.add(host)


def check_same_origin(headers: Headers) -> None:
    """Raise CrossOriginError unless the browser states that the request comes from a page of this service."""
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
    """Return whether the browser uses HTTPS, possibly terminated by a proxy."""
    return headers.get("origin", "").lower().startswith("https://")


def _split(url: str, scheme: str = "http") -> tuple[str, int | None] | None:
    """Host in lower case and port, by default that of the scheme; None if the URL is invalid."""
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
