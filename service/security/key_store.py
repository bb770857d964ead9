"""Stored API keys: DUET_HOME/keys.json, with the sha256 of each key instead of the key.

Every change replaces the file in one step, under a lock. Running services read it again when it changes.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import AwareDatetime, Field, ValidationError, model_validator

from core.errors import ConfigurationError, explain
from core.files.durable import atomic_replace, file_lock, remove_temporaries
from core.files.home import ensure_home
from core.files.regular import read_regular
from core.schemas.keys import KeyInfo, KeyLimits, KeyName
from core.strict_model import StrictModel
from core.text_pattern import TextPattern
from service.errors import KeyNameTakenError, UnknownKeyError
from service.security.keys import NO_LIMITS, ApiKey, Scope, granted

KEYS_NAME = "keys.json"
MAX_KEYS = 1000
_MAX_FILE_BYTES = 2 * 1024 * 1024

Digest = Annotated[str, TextPattern(r"^[0-9a-f]{64}$", "a sha256 in hexadecimal digits")]


class OldSecret(StrictModel):
    """Secret before the last rotation, which is valid until `expires`."""

    sha256: Digest
    expires: AwareDatetime


class StoredKey(StrictModel):
    """One key of the file; `id` stays the same when the key is rotated."""

    id: Annotated[str, TextPattern(r"^[0-9a-f]{16}$", "16 hexadecimal digits")]
    name: KeyName
    scope: Scope
    sha256: Digest
    created: AwareDatetime
    expires: AwareDatetime | None = None
    rotated: AwareDatetime | None = None
    old: OldSecret | None = None
    limits: KeyLimits = NO_LIMITS

    @property
    def info(self) -> KeyInfo:
        """The key without its secrets, for responses."""
        fields = self.model_dump(exclude={"sha256", "old"})
        return KeyInfo(**fields, old_secret_expires=None if self.old is None else self.old.expires)


class KeyFile(StrictModel):
    """Content of the file."""

    version: Literal[1] = 1
    keys: tuple[StoredKey, ...] = Field((), max_length=MAX_KEYS)

    @model_validator(mode="after")
    def _refuse_repeated(self) -> KeyFile:
        for field in ("id", "name", "sha256"):
            values = [getattr(key, field) for key in self.keys]
            repeated = next((value for value in values if values.count(value) > 1), None)
            if repeated is not None:
                raise ValueError(f"two keys have the same {field}")
        return self


class NewKey(NamedTuple):
    """A key that was added or rotated, and its secret, which is not stored."""

    key: StoredKey
    secret: str


def read_key_file(home: Path) -> KeyFile:
    """Read the stored keys; none if the file does not exist.

    Raises:
        ConfigurationError: it cannot be read, or its content is not valid.
    """
    path = home / KEYS_NAME
    advice = f"repair it, restore it from a backup, or delete {path.name} and add the keys again with `duet keys add`"
    try:
        content = read_regular(path)
    except FileNotFoundError:
        return KeyFile()
    except OSError as error:
        raise ConfigurationError(f"cannot read the API keys in {path} ({error.strerror}): {advice}") from error
    if len(content) > _MAX_FILE_BYTES:
        raise ConfigurationError(f"{path} has more than {_MAX_FILE_BYTES:,} bytes: {advice}")
    try:
        return KeyFile.model_validate_json(content)
    except ValidationError as error:
        raise ConfigurationError(f"the API keys in {path} are not valid ({explain(error)}): {advice}") from None


def add_key(
    home: Path, name: str, scope: Scope, *, expires: datetime | None = None, limits: KeyLimits = NO_LIMITS
) -> NewKey:
    """Store a new key.

    Args:
        home: folder of the file.
        name: a `KeyName`.
        scope: highest scope of the key.
        expires: time from which the key is refused; None for never.
        limits: of the key.

    Raises:
        KeyNameTakenError: another key has the name.
        ConfigurationError: there are too many keys, or the file is not valid or cannot be written.
    """
    secret = secrets.token_urlsafe(32)
    with _changing(home), _written(home) as keys:
        if any(key.name == name for key in keys):
            raise KeyNameTakenError(name)
        if len(keys) >= MAX_KEYS:
            raise ConfigurationError(f"{home / KEYS_NAME} has {MAX_KEYS} keys already: revoke those that are not used")
        key = StoredKey(
            id=secrets.token_hex(8),
            name=name,
            scope=scope,
            sha256=_digest(secret),
            created=_now(),
            expires=expires,
            limits=limits,
        )
        keys.append(key)
    return NewKey(key, secret)


def revoke_key(home: Path, id_or_name: str) -> StoredKey:
    """Remove a key.

    Raises:
        UnknownKeyError: there is no such key.
        ConfigurationError: the file is not valid or cannot be written.
    """
    with _changing(home), _written(home) as keys:
        index = _index_of(keys, id_or_name)
        return keys.pop(index)


def rotate_key(home: Path, id_or_name: str, *, overlap: timedelta = timedelta()) -> NewKey:
    """Give a key a new secret; the old one stays valid for `overlap`.

    Raises:
        UnknownKeyError: there is no such key.
        ConfigurationError: the file is not valid or cannot be written.
    """
    secret, now = secrets.token_urlsafe(32), _now()
    with _changing(home), _written(home) as keys:
        index = _index_of(keys, id_or_name)
        key = keys[index]
        old = OldSecret(sha256=key.sha256, expires=now + overlap) if overlap > timedelta() else None
        key = key.model_copy(update={"sha256": _digest(secret), "rotated": now, "old": old})
        keys[index] = key
    return NewKey(key, secret)


def api_keys(stored: StoredKey, session_secret: str) -> Iterator[ApiKey]:
    """The key for each of its secrets; cookies are signed with a secret of the service, because keys are not stored."""
    found = [(stored.sha256, stored.expires)]
    if stored.old is not None:
        found.append((stored.old.sha256, min(filter(None, (stored.old.expires, stored.expires)))))
    for digest, expires in found:
        yield ApiKey(
            id=stored.id,
            scopes=granted(stored.scope),
            digest=bytes.fromhex(digest),
            signing_key=f"{session_secret} {digest}".encode(),
            name=stored.name,
            expires=None if expires is None else expires.timestamp(),
            limits=stored.limits,
        )


def _changing(home: Path) -> AbstractContextManager[None]:
    return file_lock(ensure_home(home) / f"{KEYS_NAME}.lock")


@contextmanager
def _written(home: Path) -> Iterator[list[StoredKey]]:
    """Yield the keys as a list, and store it at the end; the caller holds the lock."""
    path = home / KEYS_NAME
    keys = list(read_key_file(home).keys)
    yield keys
    try:
        remove_temporaries(path)
        atomic_replace(path, KeyFile(keys=tuple(keys)).model_dump_json(indent=1).encode() + b"\n")
    except OSError as error:
        raise ConfigurationError(
            f"cannot write {path} ({error.strerror}): make DUET_HOME writable and free space"
        ) from error


def _index_of(keys: list[StoredKey], id_or_name: str) -> int:
    for index, key in enumerate(keys):
        if id_or_name in (key.id, key.name):
            return index
    raise UnknownKeyError(id_or_name, [key.name for key in keys])


def _digest(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
