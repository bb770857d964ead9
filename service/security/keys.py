"""API keys and their scopes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from typing import Literal, get_args

Scope = Literal["feedback", "jobs", "admin"]
"""`feedback` may send true labels; `jobs` includes it and may start, cancel and retry jobs; `admin` includes both and
may promote and roll back.
"""

SCOPES: tuple[Scope, ...] = get_args(Scope)
MIN_KEY_LENGTH = 16
# Visible ASCII, because keys travel in headers; without the comma, which separates them in the settings.
_KEY = re.compile(r"[\x21-\x2b\x2d-\x7e]+")


@dataclass(frozen=True)
class ApiKey:
    """One key.

    Attributes:
        scopes: granted scopes, lowest first.
        secret: the key; never part of the repr.
    """

    scopes: tuple[Scope, ...]
    secret: bytes

    def __repr__(self) -> str:
        return f"ApiKey(scopes={self.scopes!r}, id={self.id!r})"

    @property
    def id(self) -> str:
        """Public id for logs and cookies: 64 bits of a hash of the key."""
        return sha256(b"duet key id " + self.secret).hexdigest()[:16]


@dataclass(frozen=True)
class Keyring:
    """All valid keys."""

    keys: tuple[ApiKey, ...]

    def find(self, presented: str) -> ApiKey | None:
        """The key with this secret, in constant time; None if there is none."""
        digest = sha256(presented.encode("utf-8", "surrogateescape")).digest()
        found = None
        for key in self.keys:
            if compare_digest(digest, sha256(key.secret).digest()):
                found = key
        return found

    def by_id(self, key_id: str) -> ApiKey | None:
        """The key with this public id, None if there is none."""
        return next((key for key in self.keys if key.id == key_id), None)


def with_all_scopes(secret: str) -> Keyring:
    """A keyring of one key with all scopes."""
    return Keyring((ApiKey(granted("admin"), secret.encode()),))


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
    return ApiKey(granted(scope), secret.encode())


def _refuse_repeated(keys: Iterable[ApiKey]) -> None:
    seen: dict[bytes, int] = {}
    for number, key in enumerate(keys, start=1):
        if key.secret in seen:
            raise ValueError(f"entries {seen[key.secret]} and {number} have the same key: give each scope its own")
        seen[key.secret] = number
