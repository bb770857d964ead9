"""Authentication of requests by key, token of an OpenID provider, or session cookie."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from starlette.datastructures import Headers

from service.errors import KeyRefusedError
from service.security.caller import Caller
from service.security.key_source import KeySource
from service.security.keys import ApiKey
from service.security.origins import check_same_origin
from service.security.sessions import Session, read_token
from service.security.tokens import TokenVerifier
from service.security.wrong_keys import WrongKeys


@dataclass(frozen=True)
class Authenticator:
    """Checks requests against the keys of this service; responses to many wrong keys of one address are delayed."""

    source: KeySource
    tokens: TokenVerifier | None = None
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
            return await self.caller_of_key(key, address)
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

    def known_caller(self, key: str) -> Caller | None:
        """The caller with this key or token, None if it is unknown or was not checked recently.

        Raises:
            KeyRefusedError: the key has expired.
        """
        found = self.known_key(key)
        if found is not None:
            return Caller.with_key(found)
        return self.tokens.known(key) if self.tokens is not None else None

    async def caller_of_key(self, key: str, address: str) -> Caller:
        """The caller that presents this key, or this token of the OpenID provider.

        Raises:
            KeyRefusedError, TooManyWrongKeysError: as `caller`.
            NotReadyError: the keys of the provider cannot be read.
        """
        if self.tokens is None or key.count(".") != 2 or self.known_key(key) is not None:
            return Caller.with_key(await self.find_key(key, address))
        try:
            return await self.tokens.verify(key)
        except KeyRefusedError:
            await asyncio.sleep(self.wrong_keys.delay(address))
            raise

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
