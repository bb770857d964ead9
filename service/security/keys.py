"""API keys, their scopes and limits, and the keyring that finds a key by its secret."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Self, get_args

from core.schemas.keys import KeyLimits, KeyScope

Scope = KeyScope
"""`predict` may request predictions and explanations; `feedback` includes it and may send true labels; `jobs` includes
both and may start, cancel and retry jobs; `admin` includes all and may promote, roll back and manage keys.
"""

SCOPES: tuple[Scope, ...] = get_args(Scope)
MIN_KEY_LENGTH = 16
# Visible ASCII, because keys travel in headers; without the comma, which separates them in the settings.
_KEY = re.compile(r"[\x21-\x2b\x2d-\x7e]+")


NO_LIMITS = KeyLimits()


@dataclass(frozen=True)
class ApiKey:
    """One key.

    Attributes:
        id: public id for logs and cookies.
        scopes: granted scopes, lowest first.
        digest: sha256 of the secret.
        signing_key: secret from which the key for session cookies is derived.
        name: of a stored key; empty for others.
        expires: in seconds since the epoch; None for never.
        limits: of the key.
    """

    id: str
    scopes: tuple[Scope, ...]
    digest: bytes = field(repr=False)
    signing_key: bytes = field(repr=False)
    name: str = ""
    expires: float | None = None
    limits: KeyLimits = NO_LIMITS

    @classmethod
    def of_secret(cls, scopes: tuple[Scope, ...], secret: str) -> Self:
        """A key whose secret is known, as in the settings; its id is 64 bits of a hash of the secret."""
        encoded = secret.encode()
        key_id = sha256(b"duet key id " + encoded).hexdigest()[:16]
        return cls(key_id, scopes, sha256(encoded).digest(), signing_key=encoded)

    def expired(self, now: float) -> bool:
        """Return whether the key has expired; `now` is in seconds since the epoch."""
        return self.expires is not None and now >= self.expires


class Keyring:
    """All keys. A key that was rotated is there twice, with its new and its old secret."""

    def __init__(self, keys: Iterable[ApiKey]) -> None:
        self.keys = tuple(keys)
        # The look-up takes the hash of the presented key, so that its time reveals nothing about a secret.
        self._by_digest = {key.digest: key for key in self.keys}

    def find(self, presented: str) -> ApiKey | None:
        """The key with this secret, which may have expired; None if there is none."""
        return self._by_digest.get(sha256(presented.encode("utf-8", "surrogateescape")).digest())

    def with_id(self, key_id: str) -> list[ApiKey]:
        """The keys with this public id."""
        return [key for key in self.keys if key.id == key_id]


def with_all_scopes(secret: str) -> Keyring:
    """A keyring of one key with all scopes."""
    return Keyring([ApiKey.of_secret(granted("admin"), secret)])


def granted(scope: Scope) -> tuple[Scope, ...]:
    """Scopes of a key of this scope; each scope includes the lower ones."""
    return SCOPES[: SCOPES.index(scope) + 1]


def parse_keys(text: str) -> Keyring:
    """Parse `jobs:KEY,admin:KEY2`.

    Raises:
        ValueError: the text is invalid; the message gives the number of the entry but not its content.
    """
    keys = tuple(_parse(entry.strip(), number) for number, entry in enumerate(text.split(","), start=1))
    _refuse_repeated(keys)
    return Keyring(keys)


def _parse(entry: str, number: int) -> ApiKey:
    name, separator, secret = entry.partition(":")
    scope = next((scope for scope in SCOPES if scope == name.strip()), None)
    if not separator or scope is None:
        raise ValueError(
            f"entry {number} does not begin with one of the scopes {', '.join(SCOPES)} and a colon: "
            "write scope:key, separated by commas, such as jobs:KEY,admin:KEY2"
        )
    if len(secret) < MIN_KEY_LENGTH:
        raise ValueError(
            f"the key of entry {number} has fewer than {MIN_KEY_LENGTH} characters: make one with `openssl rand "
            f"-hex 32`"
        )
    if not _KEY.fullmatch(secret):
        raise ValueError(f"the key of entry {number} has a character other than visible ASCII, or a comma")
    return ApiKey.of_secret(granted(scope), secret)


def _refuse_repeated(keys: Iterable[ApiKey]) -> None:
    seen: dict[bytes, int] = {}
    for number, key in enumerate(keys, start=1):
        if key.digest in seen:
            raise ValueError(f"entries {seen[key.digest]} and {number} have the same key: give each scope its own")
        seen[key.digest] = number
