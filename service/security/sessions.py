"""The cookie that stands for a key in a browser: signed with the key itself, so that no process has to remember it.

Any process that knows the key can check it, it ends by itself, and it ends with the key. What it cannot do is end
sooner: DELETE /session takes it out of the browser, and a copy made before that lives as long as it says.
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
    """A key that a browser holds a cookie for; `expires` is in seconds since 1970."""

    key: ApiKey
    expires: int

    @property
    def expires_at(self) -> datetime:
        """When it ends."""
        return datetime.fromtimestamp(self.expires, UTC)


def begin(key: ApiKey, now: float) -> Session:
    """A session of the usual length; `now` in seconds since 1970."""
    return Session(key, int(now) + SESSION_SECONDS)


def token(session: Session) -> str:
    """The cookie's value."""
    return f"{session.key.id}.{session.expires}.{_signature(session)}"


def read_token(text: str, keyring: Keyring, now: float) -> Session | None:
    """The session that a cookie's value stands for; None where it has ended, or was not made with one of the keys."""
    found = _TOKEN.fullmatch(text)
    key = keyring.by_id(found[1]) if found else None
    if found is None or key is None:
        return None
    session = Session(key, int(found[2]))
    return session if compare_digest(found[3], _signature(session)) and now < session.expires else None


def _signature(session: Session) -> str:
    # A key of its own for each purpose: what signs cookies must sign nothing else.
    signing_key = new(session.key.secret, b"duet session 1", sha256).digest()
    return new(signing_key, f"{session.key.id}.{session.expires}".encode(), sha256).hexdigest()
