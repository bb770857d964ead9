"""OpenID provider: its settings, and its public keys, which are found by discovery and kept for an hour.

See OpenID Connect Discovery 1.0 and RFC 7517.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Any

import orjson
from pydantic import Field

from core.errors import ConfigurationError
from core.strict_model import StrictModel
from core.text_pattern import TextPattern
from service.errors import NotReadyError

if TYPE_CHECKING:
    from joserfc.jwk import ECKey, RSAKey

    PublicKey = RSAKey | ECKey

KEYS_SECONDS = 3600.0
"""Time after which the keys are fetched again."""
REFETCH_SECONDS = 10.0
"""Minimum time between two attempts to fetch the keys, which a token with an unknown key id causes."""
FETCH_SECONDS = 5.0
"""Time limit for fetching the configuration and the keys."""
MAX_DOCUMENT_BYTES = 1024 * 1024

log = logging.getLogger("duet.keys")


class OidcProvider(StrictModel):
    """Setting DUET_OIDC: the provider whose access tokens are accepted."""

    issuer: Annotated[
        str,
        TextPattern(
            r"^(https://[^\s/?#@]+|http://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?)(/[^\s?#]*)?$",
            "the issuer is an https URL without a query, such as https://id.example.org/realms/duet",
        ),
    ]
    audience: str = Field(min_length=1, max_length=256, description="claim `aud` of tokens for this service")


class ProviderKeys:
    """Public keys of the provider by key id; used from one event loop.

    Args:
        provider: the settings.
        now: monotonic clock in seconds.

    Raises:
        ConfigurationError: the extra `oidc` is not installed.
    """

    def __init__(self, provider: OidcProvider, now: Callable[[], float] = time.monotonic) -> None:
        if find_spec("joserfc") is None:
            raise ConfigurationError("DUET_OIDC needs the extra `oidc`: run `pip install 'duet-vision[serve,oidc]'`")
        self._issuer = provider.issuer
        self._now = now
        self._keys: dict[str | None, PublicKey] = {}
        self._fetched = -KEYS_SECONDS
        self._tried = -REFETCH_SECONDS
        self._fetching = asyncio.Lock()

    async def find(self, key_id: str | None) -> PublicKey | None:
        """The key with this id, or without an id the only key; None if there is none.

        Raises:
            NotReadyError: the keys were never fetched, and cannot be fetched now.
        """
        # While another request fetches the keys again, those that are known are used, also if the provider hangs.
        if not self._is_fresh(key_id) and not (self._has(key_id) and self._fetching.locked()):
            async with self._fetching:
                if not self._is_fresh(key_id) and self._now() - self._tried >= REFETCH_SECONDS:
                    self._tried = self._now()
                    await self._fetch()
        if not self._keys:
            raise NotReadyError("the keys of the OpenID provider cannot be read: try again later")
        if key_id is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(key_id)

    def _is_fresh(self, key_id: str | None) -> bool:
        return self._has(key_id) and self._now() - self._fetched < KEYS_SECONDS

    def _has(self, key_id: str | None) -> bool:
        return key_id in self._keys or (key_id is None and bool(self._keys))

    async def _fetch(self) -> None:
        """Replace the keys; those that are known stay if the provider cannot be reached."""
        import httpx

        try:
            async with asyncio.timeout(FETCH_SECONDS), httpx.AsyncClient(timeout=FETCH_SECONDS) as client:
                configuration = await _document(client, f"{self._issuer.rstrip('/')}/.well-known/openid-configuration")
                if configuration.get("issuer") != self._issuer:
                    raise ValueError("the configuration has another issuer than DUET_OIDC")
                address = str(configuration.get("jwks_uri"))
                if not address.startswith(("https://", f"{self._issuer.partition('://')[0]}://")):
                    raise ValueError("jwks_uri is not an https URL")
                self._keys = _public_keys(await _document(client, address))
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError) as error:
            log.error(
                "cannot read the keys of the OpenID provider %s (%s): check DUET_OIDC and the provider",
                self._issuer,
                str(error) or type(error).__name__,
            )
        else:
            self._fetched = self._now()


async def _document(client: Any, address: str) -> dict[str, Any]:
    """The JSON object at an address.

    Raises:
        ValueError: there is none, or it is too large.
        httpx.HTTPError, httpx.InvalidURL: it cannot be read.
    """
    content = bytearray()
    async with client.stream("GET", address, headers={"Accept": "application/json"}) as answer:
        if answer.status_code != 200:
            raise ValueError(f"{address} answers {answer.status_code}")
        async for chunk in answer.aiter_bytes():
            content += chunk
            if len(content) > MAX_DOCUMENT_BYTES:
                raise ValueError(f"{address} has more than {MAX_DOCUMENT_BYTES:,} bytes")
    found = orjson.loads(content)
    if not isinstance(found, dict):
        raise ValueError(f"{address} is not a JSON object")
    return found


def _public_keys(document: dict[str, Any]) -> dict[str | None, PublicKey]:
    """The RSA and EC keys of a JWKS for signatures, by id; others are left out.

    Raises:
        ValueError: there is none.
    """
    from joserfc.errors import JoseError
    from joserfc.jwk import ECKey, RSAKey

    found: dict[str | None, PublicKey] = {}
    listed = document.get("keys")
    for entry in listed if isinstance(listed, list) else ():
        if not isinstance(entry, dict) or entry.get("use", "sig") != "sig":
            continue
        try:
            if entry.get("kty") == "RSA":
                found[entry.get("kid")] = RSAKey.import_key(entry)
            elif entry.get("kty") == "EC":
                found[entry.get("kid")] = ECKey.import_key(entry)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            log.warning("a key of the OpenID provider is not valid and is left out: %s", type(error).__name__)
    if not found:
        raise ValueError("the provider has no RSA or EC key for signatures")
    return found
