"""Says who a request is from, by its headers alone."""

from __future__ import annotations

import time
from dataclasses import dataclass

from starlette.datastructures import Headers

from service.errors import KeyRefusedError
from service.security.key_file import generated_key
from service.security.keys import Keyring, Scope, parse_keys, with_all_scopes
from service.security.origins import check_host, check_same_origin, own_names
from service.security.sessions import Session, read_token
from service.settings import Settings


@dataclass(frozen=True)
class Caller:
    """Whoever a request is from.

    Attributes:
        key_id: names the key, and is no secret.
        scopes: what it may do.
        session: where the key came as a cookie.
    """

    key_id: str
    scopes: tuple[Scope, ...]
    session: Session | None = None

    @property
    def actor(self) -> str:
        """Who it is, for audit trails."""
        return f"key {self.key_id[:8]} ({self.scopes[-1]})"


@dataclass(frozen=True)
class Authenticator:
    """Knows the keys and the names of this service."""

    keyring: Keyring
    names: frozenset[str]

    def check_host(self, headers: Headers) -> None:
        """Raises HostNotAllowedError where the request names another service."""
        check_host(headers, self.names)

    def caller(self, headers: Headers, key: str | None, cookie: str | None) -> Caller | None:
        """Who sent the request with these headers; None where it shows neither key nor cookie.

        Args:
            headers: of the request.
            key: what it presents as a key, which counts before a cookie.
            cookie: the session's, if the browser sent one.

        Raises:
            KeyRefusedError: the key is not known, or the session has ended.
            CrossOriginError: the cookie comes from another site's page.
        """
        if key is not None:
            found = self.keyring.find(key)
            if found is None:
                raise KeyRefusedError.wrong_key()
            return Caller(found.id, found.scopes)
        if cookie is None:
            return None
        check_same_origin(headers)
        session = self.session(cookie)
        if session is None:
            raise KeyRefusedError.ended_session()
        return Caller(session.key.id, session.key.scopes, session)

    def session(self, cookie: str) -> Session | None:
        """The session that a cookie stands for, None where it has ended."""
        return read_token(cookie, self.keyring, time.time())


def create_authenticator(settings: Settings) -> Authenticator:
    """The gatekeeper that the settings ask for; makes the key in DUET_HOME where none is set nor made yet.

    Raises:
        ConfigurationError: the key cannot be kept.
    """
    configured = settings.api_keys
    keyring = parse_keys(configured.get_secret_value()) if configured else with_all_scopes(generated_key(settings.home))
    return Authenticator(keyring, own_names(settings.allowed_hosts, settings.host))
