"""Errors of authentication, authorization and request origin."""

from __future__ import annotations

from typing import Self

from service.errors.base import ProblemError

_CHALLENGE = 'Bearer realm="duet"'


class KeyRequiredError(ProblemError):
    """The route needs an API key, and the request has none."""

    def __init__(self) -> None:
        super().__init__(
            "send a key as `X-API-Key: ...` or `Authorization: Bearer ...`: one of DUET_API_KEYS or, if that is unset, "
            "the generated key that `duet key` shows",
            headers={"WWW-Authenticate": _CHALLENGE},
        )


class KeyRefusedError(ProblemError):
    """The key is unknown, or the session has expired."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": f'{_CHALLENGE}, error="invalid_token"'})

    @classmethod
    def wrong_key(cls) -> Self:
        """The error for an unknown key."""
        return cls("this key is unknown: use one of DUET_API_KEYS or, if that is unset, the key that `duet key` shows")

    @classmethod
    def ended_session(cls) -> Self:
        """The error for a session that has expired, or whose key is no longer known."""
        return cls("the session has ended: send the key to POST /session again")


class ScopeRequiredError(ProblemError):
    """The key is valid, but lacks the scope of the route."""

    def __init__(self, required: str, granted: tuple[str, ...]) -> None:
        super().__init__(
            f"this route needs a key of scope {required}, and this key has {', '.join(granted)}: send another key",
            required=required,
            granted=list(granted),
        )


class HostNotAllowedError(ProblemError):
    """The Host header names another host than this service."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"the Host {host!r} is not an address, localhost or a name in DUET_ALLOWED_HOSTS: if it is a name of this "
            "service, add it there",
            host=host,
        )


class CrossOriginError(ProblemError):
    """A browser sent the session cookie from a page of another origin."""

    def __init__(self, origin: str) -> None:
        stated = f"comes from {origin!r}" if origin else "has no Origin"
        super().__init__(
            f"the session cookie is valid only for this service's own pages, and this request {stated}: send a key "
            "instead"
        )
