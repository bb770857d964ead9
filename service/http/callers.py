"""Callers of predictions: identified by key, session cookie or address before the body is read, and limited."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.types import Scope

from core.schemas.keys import KeyLimits
from service.errors import CrossOriginError, KeyRefusedError, KeyRequiredError, ScopeRequiredError
from service.security.addresses import client_network
from service.security.authenticator import Authenticator
from service.security.caller import Caller
from service.security.caller_limits import CallerLimits
from service.security.key_source import KeySource
from service.security.keys import NO_LIMITS
from service.security.sessions import COOKIE
from service.security.tokens import TokenVerifier
from service.settings import Settings


@dataclass(frozen=True, slots=True)
class AdmittedCaller:
    """The caller of one prediction.

    Attributes:
        id: id of the key, or network address; see `DisconnectSource.caller`.
        key: None without a key.
    """

    id: str
    key: Caller | None

    @property
    def limits(self) -> KeyLimits:
        """Limits of the key."""
        return NO_LIMITS if self.key is None else self.key.limits


class CallerAdmission:
    """Checks the key and the limits of requests for predictions.

    Args:
        authenticator: of the service; also an attribute.
        limits: of all callers.
        anonymous: whether predictions need no key.
    """

    def __init__(self, authenticator: Authenticator, limits: CallerLimits, *, anonymous: bool) -> None:
        self.authenticator = authenticator
        self._limits = limits
        self._anonymous = anonymous

    def admit_known(self, headers: Iterable[tuple[bytes, bytes]], address: str) -> AdmittedCaller | None:
        """Admit a request without waiting; None if its key is not known at once, so that `admit` must decide.

        Raises:
            CallerLimitError: a limit of the caller is reached.
            KeyRequiredError, KeyRefusedError, ScopeRequiredError: see `admit`.
        """
        key, cookie = presented(headers)
        if key is None:
            return self._admitted(self._of_cookie(headers, cookie), address)
        found = self.authenticator.known_caller(key)
        return None if found is None else self._admitted(found, address)

    async def admit(self, scope: Scope) -> AdmittedCaller:
        """Admit a request before its body is read.

        Raises:
            KeyRequiredError: it has no key, and predictions need one.
            KeyRefusedError, TooManyWrongKeysError: see `Authenticator.caller`.
            ScopeRequiredError: the key has no scope.
            CallerLimitError: a limit of the caller is reached.
        """
        headers, address = scope["headers"], address_of(scope)
        key, cookie = presented(headers)
        if key is None:
            return self._admitted(self._of_cookie(headers, cookie), address)
        return self._admitted(await self.authenticator.caller_of_key(key, address), address)

    @contextmanager
    def running(self, caller: AdmittedCaller) -> Iterator[None]:
        """Count an admitted request until its end.

        Raises:
            CallerLimitError: too many requests of the caller run.
        """
        self._limits.enter(caller.id, caller.limits)
        try:
            yield
        finally:
            self._limits.leave(caller.id)

    def _of_cookie(self, headers: Iterable[tuple[bytes, bytes]], cookie: str | None) -> Caller | None:
        """The caller with a session cookie. Browsers send it by themselves, so that one that has ended is ignored."""
        if cookie is None:
            return None
        try:
            return self.authenticator.caller_of_cookie(Headers(raw=list(headers)), cookie)
        except (KeyRefusedError, CrossOriginError):
            return None

    def _admitted(self, key: Caller | None, address: str) -> AdmittedCaller:
        if key is None and not self._anonymous:
            raise KeyRequiredError
        if key is not None and "predict" not in key.scopes:
            raise ScopeRequiredError("predict", key.scopes)
        caller = AdmittedCaller(client_network(address) if key is None else key.key_id, key)
        self._limits.admit(caller.id, caller.limits)
        return caller


def open_callers(settings: Settings) -> CallerAdmission:
    """Read the keys, and create the checks of callers.

    Raises:
        ConfigurationError: the generated key cannot be stored, or the stored keys are not valid, or the extra `oidc` is
            not installed.
    """
    tokens = None if settings.oidc is None else TokenVerifier(settings.oidc)
    authenticator = Authenticator(KeySource(settings.api_keys, settings.home), tokens)
    limits = CallerLimits(settings.caller_limits)
    return CallerAdmission(authenticator, limits, anonymous=settings.anonymous_predictions)


def presented(headers: Iterable[tuple[bytes, bytes]]) -> tuple[str | None, str | None]:
    """The key and the session cookie in ASGI headers, as the dependencies of other routes find them."""
    key = bearer = cookie = None
    for name, value in headers:
        if name == b"x-api-key":
            key = value.decode("latin-1")
        elif name == b"authorization":
            scheme, _, credentials = value.decode("latin-1").partition(" ")
            bearer = credentials if scheme.lower() == "bearer" and credentials else None
        elif name == b"cookie":
            cookie = cookie_parser(value.decode("latin-1")).get(COOKIE)
    return key if key is not None else bearer, cookie


def address_of(scope: Scope) -> str:
    """Network address of the client; empty if it is not known."""
    client = scope.get("client")
    return client[0] if client else ""
