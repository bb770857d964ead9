"""Authenticated caller of a request."""

from __future__ import annotations

from dataclasses import dataclass

from core.schemas.keys import KeyLimits
from service.security.keys import NO_LIMITS, ApiKey, Scope
from service.security.sessions import Session


@dataclass(frozen=True)
class Caller:
    """The authenticated caller of a request.

    Attributes:
        key_id: public id of the key.
        scopes: granted scopes.
        name: of the key; empty if it has none.
        limits: of the key.
        session: set if the caller used a cookie.
    """

    key_id: str
    scopes: tuple[Scope, ...]
    name: str = ""
    limits: KeyLimits = NO_LIMITS
    session: Session | None = None

    @classmethod
    def with_key(cls, key: ApiKey, session: Session | None = None) -> Caller:
        """The caller that presents a key, or a cookie of it."""
        return cls(key.id, key.scopes, key.name, key.limits, session)

    @property
    def actor(self) -> str:
        """Name for audit trails."""
        named = f"{self.name} " if self.name else ""
        return f"key {named}{self.key_id[:8]} ({self.scopes[-1]})"
