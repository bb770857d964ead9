"""Stateless session cookies, signed with a key derived from the API key.

Every process that has the key can verify the cookie. It expires after SESSION_SECONDS or when the key is removed. It
cannot be revoked earlier: DELETE /session removes it from the browser, but a copy stays valid until it expires.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from hmac import compare_digest, new

from service.security.keys import ApiKey, Keyring

COOKIE = "duet_session"
SESSION_SECONDS = 12 * 60 * 60
_TOKEN = re.compile(r"([0-9a-f]{16})\.([0-9]{1,12})\.([0-9a-f]{64})", re.ASCII)


@dataclass(frozen=True)
class Session:
    """Session of a key; `expires` is in seconds since the epoch."""

    key: ApiKey
    expires: int

    @property
    def expires_at(self) -> datetime:
        """Expiry in UTC."""
        return datetime.fromtimestamp(self.expires, UTC)


def begin(key: ApiKey, now: float) -> Session:
    """Create a session of SESSION_SECONDS; `now` is in seconds since the epoch."""
    return Session(key, int(now) + SESSION_SECONDS)


def token(session: Session) -> str:
    """Cookie value of a session."""
    return f"{session.key.id}.{session.expires}.{_signature(session)}"


def read_token(text: str, keyring: Keyring, now: float) -> Session | None:
    """Parse and verify a cookie value; None if it has expired or is not signed with one of the keys."""
    found = _TOKEN.fullmatch(text)
    if found is None or now >= int(found[2]):
        return None
    for key in keyring.with_id(found[1]):
        session = Session(key, int(found[2]))
        if compare_digest(found[3], _signature(session)) and not key.expired(now):
            return session
    return None


def _signature(session: Session) -> str:
    # A derived key per purpose: the key for cookies signs nothing else.
    signing_key = new(session.key.signing_key, b"duet session 1", sha256).digest()
    return new(signing_key, f"{session.key.id}.{session.expires}".encode(), sha256).hexdigest()
