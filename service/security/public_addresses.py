"""Public addresses: the check against server-side request forgery (SSRF) of addresses that this service connects to."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

_NAT64 = IPv6Network("64:ff9b::/96")
"""Prefix of IPv6 addresses that stand for IPv4 addresses behind a gateway (RFC 6052)."""
_RESERVED = (IPv4Network("192.88.99.0/24"), IPv6Network("3fff::/20"))
"""Networks that the registries of Python 3.11 contain as global: 6to4 relays (RFC 7526), documentation (RFC 9637)."""


def is_public(address: str) -> bool:
    """Return whether the IP address is one of the public internet.

    Private, shared, loopback, link-local, multicast, reserved, documentation and unspecified addresses are not. An IPv6
    address that contains an IPv4 address (mapped, 6to4, NAT64) is public only if that one is.

    Raises:
        ValueError: `address` is not an IP address.
    """
    return _is_public(ip_address(address))


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return _is_public(address.ipv4_mapped)
        if address in _NAT64:
            return _is_public(IPv4Address(address.packed[-4:]))
        if address.is_site_local or (address.sixtofour is not None and not _is_public(address.sixtofour)):
            return False
    if any(address in network for network in _RESERVED):
        return False
    # A multicast address may be global, and the registries of Python 3.11 contain some reserved networks as global.
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)
