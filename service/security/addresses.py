"""Network of a client: its IPv4 address, or the /64 network of its IPv6 address."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address, ip_network

_IPV6_PREFIX = 64
"""A client has a network of this size, so that its addresses count together."""


@lru_cache(4096)
def client_network(address: str) -> str:
    """The network of a client with this address; an address of a unix socket stays as it is."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    return str(ip_network((found, _IPV6_PREFIX), strict=False)) if found.version == 6 else address
