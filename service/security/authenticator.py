"""Authentication of requests by key or session cookie."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr
from starlette.datastructures import Headers

from service.errors import KeyRefusedError
from service.security.key_file import generated_key
from service.security.keys import ApiKey, Keyring, Scope, parse_keys, with_all_scopes
from service.security.origins import check_same_origin
from service.security.sessions import Session, read_token
from service.security.wrong_keys import WrongKeys


@dataclass(frozen=True)
class Caller:
    """The authenticated caller of a request.

    Attributes:
        key_id: public id of the key.
        scopes: granted scopes.
        session: set if the caller used a cookie.
    """

    key_id: str
    scopes: tuple[Scope, ...]
    session: Session | None = None

    @property
    def actor(self) -> str:
        """Name for audit trails."""
        return f"key {self.key_id[:8]} ({self.scopes[-1]})"


@dataclass(frozen=True)
class Authenticator:
    """Checks requests against the keys of this service; responses to many wrong keys of one address are delayed."""

    keyring: Keyring
    wrong_keys: WrongKeys = field(default_factory=WrongKeys)

    async def caller(self, headers: Headers, key: str | None, cookie: str | None, address: str) -> Caller | None:
        """The caller of the request; None without key and cookie.

        Args:
            headers: of the request.
            key: presented key, which takes precedence over the cookie.
            cookie: session cookie, if any.
            address: of the client.

        Raises:
            KeyRefusedError: the key is unknown, or the session has expired.
            TooManyWrongKeysError: the key is unknown, and the address has sent many unknown keys.
            CrossOriginError: the cookie came from a page of another origin.
        """
        if key is not None:
            found = await self.find_key(key, address)
            return Caller(found.id, found.scopes)
        if cookie is None:
            return None
        check_same_origin(headers)
        session = self.session(cookie)
        if session is None:
            raise KeyRefusedError.ended_session()
        return Caller(session.key.id, session.key.scopes, session)

    async def find_key(self, key: str, address: str) -> ApiKey:
        """The key that the client with this address presents.

        Raises:
            KeyRefusedError, TooManyWrongKeysError: as `caller`.
        """
        found = self.keyring.find(key)
        if found is None:
            await asyncio.sleep(self.wrong_keys.delay(address))
            raise KeyRefusedError.wrong_key()
        return found

    def session(self, cookie: str) -> Session | None:
        """The session of a cookie, None if it has expired or is invalid."""
        return read_token(cookie, self.keyring, time.time())


def read_keyring(configured: SecretStr | None, home: Path) -> Keyring:
    """The keys of DUET_API_KEYS; without them, the key that is stored in DUET_HOME, generated if there is none.

    Raises:
        ConfigurationError: the key cannot be stored.
    """
    return parse_keys(configured.get_secret_value()) if configured else with_all_scopes(generated_key(home))
