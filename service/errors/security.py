"""Errors about who asks: without a key, with a wrong one, with too little of one, or from where they should not."""

# ruff: noqa: D102 - `example` is documented once, in the base class
from __future__ import annotations

from typing import Self

from service.errors.base import ProblemError

_CHALLENGE = 'Bearer realm="duet"'


class KeyRequiredError(ProblemError):
    """The route changes something, and the request shows no key."""

    status, slug, title = 401, "key-required", "A key is required"

    def __init__(self) -> None:
        super().__init__(
            "send a key as `X-API-Key: ...` or `Authorization: Bearer ...`: one of DUET_API_KEYS, or, where none are "
            "set, the one that was printed at start and `duet key` shows",
            headers={"WWW-Authenticate": _CHALLENGE},
        )

    @classmethod
    def example(cls) -> Self:
        return cls()


class KeyRefusedError(ProblemError):
    """The key is none of those that are known, or the session has ended."""

    status, slug, title = 401, "key-refused", "The key is not valid"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": f'{_CHALLENGE}, error="invalid_token"'})

    @classmethod
    def wrong_key(cls) -> Self:
        """The key is not known."""
        return cls("this key is not known here: `duet key` shows the one that was generated, where none are set")

    @classmethod
    def ended_session(cls) -> Self:
        """The cookie has ended, or its key is no longer known."""
        return cls("the session has ended: send the key to POST /session again")

    @classmethod
    def example(cls) -> Self:
        return cls.wrong_key()


class ScopeRequiredError(ProblemError):
    """The key is known, but may not do this."""

    status, slug, title = 403, "scope-required", "The key may not do this"

    def __init__(self, required: str, granted: tuple[str, ...]) -> None:
        super().__init__(
            f"this needs a key of scope {required}: the one sent has {', '.join(granted)}",
            required=required,
            granted=list(granted),
        )

    @classmethod
    def example(cls) -> Self:
        return cls("admin", ("jobs",))


class HostNotAllowedError(ProblemError):
    """The request names this service by a name that is not its own."""

    status, slug, title = 403, "host-not-allowed", "The service does not go by this name"

    def __init__(self, host: str) -> None:
        super().__init__(
            f"changes are taken under an address, localhost or a name in DUET_ALLOWED_HOSTS, not under {host!r}: "
            "add it there if it is this service's",
            host=host,
        )

    @classmethod
    def example(cls) -> Self:
        return cls("models.example.org")


class CrossOriginError(ProblemError):
    """A browser sent the cookie from a page that is not this service's."""

    status, slug, title = 403, "cross-origin", "The request comes from another site's page"

    def __init__(self, origin: str) -> None:
        stated = f"from {origin!r}" if origin else "without an Origin"
        super().__init__(
            f"the session's cookie counts only in requests from this service's own pages, and this one comes {stated}: "
            "programs send their key instead"
        )

    @classmethod
    def example(cls) -> Self:
        return cls("https://elsewhere.example")
