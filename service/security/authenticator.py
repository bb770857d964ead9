"""Authentication of requests by key, token of an OpenID provider, or session cookie."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from starlette.datastructures import Headers

from core.schemas.keys import KeyLimits
from service.errors import KeyRefusedError
from service.security.key_source import KeySource
from service.security.keys import NO_LIMITS, ApiKey, Scope
from service.security.origins import check_same_origin
from service.security.sessions import Session, read_token
from service.security.wrong_keys import WrongKeys


@dataclass(frozen=True)
class Caller:
    """The authenticated caller of a request.

    Attributes:
        key_id: public id of the key.
        scopes: granted scopes.
        name: of the key; empty if it has none.
        limits: of the key.
        session: set if the caller used a cookie.
    """

    key_id: str
    scopes: tuple[Scope, ...]
    name: str = ""
    limits: KeyLimits = NO_LIMITS
    session: Session | None = None

    @classmethod
    def with_key(cls, key: ApiKey, session: Session | None = None) -> Caller:
        """The caller that presents a key, or a cookie of it."""
        return cls(key.id, key.scopes, key.name, key.limits, session)

    @property
    def actor(self) -> str:
        """Name for audit trails."""
        named = f"{self.name} " if self.name else ""
        return f"key {named}{self.key_id[:8]} ({self.scopes[-1]})"


@dataclass(frozen=True)
class Authenticator:
    """Checks requests against the keys of this service; responses to many wrong keys of one address are delayed."""

    source: KeySource
    wrong_keys: WrongKeys = field(default_factory=WrongKeys)

    async def caller(self, headers: Headers, key: str | None, cookie: str | None, address: str) -> Caller | None:
        """The caller of the request; None without key and cookie.

        Args:
            headers: of the request.
            key: presented key, which takes precedence over the cookie.
            cookie: session cookie, if any.
            address: of the client.

        Raises:
            KeyRefusedError: the key is unknown or has expired, or the session has ended.
            TooManyWrongKeysError: the key is unknown, and the address has sent many unknown keys.
            CrossOriginError: the cookie came from a page of another origin.
        """
        if key is not None:
            return Caller.with_key(await self.find_key(key, address))
        return None if cookie is None else self.caller_of_cookie(headers, cookie)

    def caller_of_cookie(self, headers: Headers, cookie: str) -> Caller:
        """The caller with this session cookie.

        Raises:
            KeyRefusedError: the session has ended.
            CrossOriginError: the cookie came from a page of another origin.
        """
        check_same_origin(headers)
        session = self.session(cookie)
        if session is None:
            raise KeyRefusedError.ended_session()
        return Caller.with_key(session.key, session)

    def known_key(self, key: str) -> ApiKey | None:
        """The key, None if it is unknown.

        Raises:
            KeyRefusedError: it has expired.
        """
        found = self.source.keyring.find(key)
        if found is not None and found.expired(time.time()):
            raise KeyRefusedError.expired_key()
        return found

    async def find_key(self, key: str, address: str) -> ApiKey:
        """The key that the client with this address presents.

        Raises:
            KeyRefusedError, TooManyWrongKeysError: as `caller`.
        """
        found = self.known_key(key)
        if found is None:
            await asyncio.sleep(self.wrong_keys.delay(address))
            raise KeyRefusedError.wrong_key()
        return found

    def session(self, cookie: str) -> Session | None:
        """The session of a cookie, None if it has ended or is invalid."""
        return read_token(cookie, self.source.keyring, time.time())
