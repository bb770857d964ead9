"""Errors of keys: authentication, scopes, limits of callers and the administration of keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Self

from service.errors.base import ProblemError, TooManyRequestsError

_CHALLENGE = 'Bearer realm="duet"'


class KeyRequiredError(ProblemError):
    """The route needs an API key, and the request has none."""

    def __init__(self) -> None:
        super().__init__(
            "this route needs a key: send one of DUET_API_KEYS, one that `duet keys add` has made or, if DUET_API_KEYS "
            "is unset, the generated key that `duet key` shows, as `X-API-Key: ...` or `Authorization: Bearer ...`",
            headers={"WWW-Authenticate": _CHALLENGE},
        )


class KeyRefusedError(ProblemError):
    """The key or token is unknown or has expired, or the session has ended; see RFC 6750, section 3."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": f'{_CHALLENGE}, error="invalid_token"'})

    @classmethod
    def wrong_key(cls) -> Self:
        """The error for an unknown key."""
        return cls("this key is unknown: use one of DUET_API_KEYS or, if that is unset, the key that `duet key` shows")

    @classmethod
    def expired_key(cls) -> Self:
        """The error for a key that has expired."""
        return cls("this key has expired: ask for a new one, which `duet keys add` or `duet keys rotate` makes")

    @classmethod
    def refused_token(cls, reason: str) -> Self:
        """The error for a token of the OpenID provider; `reason` does not contain parts of the token."""
        return cls(f"this token is refused: {reason}")

    @classmethod
    def ended_session(cls) -> Self:
        """The error for a session that has expired, or whose key is no longer known."""
        return cls("the session has ended: send the key to POST /session again")


class TooManyWrongKeysError(TooManyRequestsError):
    """The address has sent too many wrong keys; correct keys are still accepted."""

    def __init__(self, retry_after_seconds: float) -> None:
        super().__init__("this key is unknown, and so were many others from this address", retry_after_seconds)


class ScopeRequiredError(ProblemError):
    """The key is valid, but lacks the scope of the route."""

    def __init__(self, required: str, granted: tuple[str, ...]) -> None:
        super().__init__(
            f"this route needs a key of scope {required}, and this key has {', '.join(granted) or 'none'}: send "
            "another key",
            headers={"WWW-Authenticate": f'{_CHALLENGE}, error="insufficient_scope", scope="{required}"'},
            required=required,
            granted=list(granted),
        )


class CallerLimitError(TooManyRequestsError):
    """The caller sends more requests per second, or at a time, than it may."""

    def __init__(
        self, limit: Literal["requests_per_second", "concurrent_requests"], value: float, retry_after_seconds: float
    ) -> None:
        """`value` is the limit of the caller."""
        what = "predictions per second" if limit == "requests_per_second" else "simultaneous predictions"
        super().__init__(f"the limit of this caller is {value:g} {what}", retry_after_seconds)
        self.fields.update(limit=limit, value=value)


class DatasetQuotaError(ProblemError):
    """The data sets that the key has uploaded would exceed its quota; nothing of the upload is stored."""

    def __init__(self, stored: int, limit: int) -> None:
        super().__init__(
            f"the images that this key has uploaded take {stored:,} bytes, the quota is {limit:,} bytes, and nothing "
            "of this upload was stored: delete data sets that are not needed, or ask for a larger quota",
            stored_bytes=stored,
            limit=limit,
        )


class UnknownKeyError(ProblemError):
    """There is no stored key with this id or name."""

    def __init__(self, key: str, names: Sequence[str]) -> None:
        listed = f"use one of {', '.join(names[:20])}" if names else "no key is stored"
        super().__init__(f"there is no stored key {key!r}: {listed}")


class KeyNameTakenError(ProblemError):
    """Another stored key has the name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is a key {name!r} already: choose another name, or rotate or revoke that key")


class KeyStoreError(ProblemError):
    """The file of stored keys is not valid, full or cannot be written."""
