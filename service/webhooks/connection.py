"""Connections to the receivers of webhooks, without server-side request forgery (SSRF).

The host is resolved once, all of its addresses are checked, and the connection goes to one of them, so that a name
cannot point elsewhere between check and connection (DNS rebinding). TLS still verifies the name. Proxies of the
environment are not used, because they would resolve the name themselves.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import httpcore

from service.security.public_addresses import is_public

MAX_ADDRESSES = 4
"""Maximum number of addresses of a host that are tried."""
Resolve = Callable[[str, int], Sequence[str]]


class PrivateAddressError(httpcore.ConnectError):
    """The host has an address that is not public."""


class CheckedBackend(httpcore.NetworkBackend):
    """Network backend of httpcore for one request, all of which ends at a deadline."""

    def __init__(
        self,
        deadline: float,
        *,
        private: bool,
        resolve: Resolve | None = None,
        inner: httpcore.NetworkBackend | None = None,
    ) -> None:
        """Create the backend.

        Args:
            deadline: on the clock of `time.monotonic`.
            private: whether addresses that are not public are allowed.
            resolve: returns the IP addresses of a host and port; by default, those of the system.
            inner: makes the connections; by default, httpcore's.
        """
        self._deadline = deadline
        self._private = private
        self._resolve = resolve or resolve_host
        self._inner = inner or httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address of the host that accepts; called by httpcore.

        Raises:
            PrivateAddressError: an address of the host is not public.
            httpcore.ConnectError, httpcore.ConnectTimeout: the host is unknown, or no address accepts.
        """
        addresses = self._resolve(host, port)
        if not self._private:
            for address in addresses:
                if not is_public(address):
                    raise PrivateAddressError(f"{host} has the private address {address}")
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        for tried, address in enumerate(addresses[:MAX_ADDRESSES]):
            others = min(len(addresses), MAX_ADDRESSES) - tried
            try:
                stream = self._inner.connect_tcp(
                    address, port, _left(self._deadline) / others, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return _BoundedStream(stream, self._deadline)
        raise failure


class _BoundedStream(httpcore.NetworkStream):
    """A stream whose operations all end at the deadline, even if the peer sends a byte now and then."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(self._deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(self._deadline))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        stream = self._stream.start_tls(ssl_context, server_hostname, _left(self._deadline))
        return _BoundedStream(stream, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def resolve_host(host: str, port: int) -> Sequence[str]:
    """IP addresses of a host in the order of the system, without repetitions.

    Raises:
        httpcore.ConnectError: the host is unknown.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError(f"{host} cannot be resolved: {error}") from error
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("the time limit has passed")
    return left
