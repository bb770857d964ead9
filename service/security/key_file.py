"""Generated secrets in files of DUET_HOME, shared by all processes: the API key and the secret of session cookies."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from core.errors import ConfigurationError
from core.files.durable import sync
from core.files.home import ensure_home
from service.security.keys import MIN_KEY_LENGTH

KEY_FILE = "api_key"
SESSION_SECRET_FILE = "session_secret"  # noqa: S105  a file name
"""Secret that signs the session cookies of stored keys."""
_KEY_MODE = 0o600


def generated_key(home: Path, name: str = KEY_FILE) -> str:
    """Read a secret in `home`, or generate it; only one of several concurrent processes generates it.

    Raises:
        ConfigurationError: it cannot be read or created, or the file contains no key.
    """
    path = ensure_home(home) / name
    try:
        if not path.exists():
            _create(path)
        key = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"cannot store the key in {path} ({error}): make DUET_HOME writable, or set DUET_API_KEYS"
        ) from error
    if len(key) < MIN_KEY_LENGTH:
        raise ConfigurationError(f"{path} contains no key: delete it, and restart to generate a new one")
    return key


def _create(path: Path) -> None:
    """Create the key file atomically, unless another process did."""
    staged = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _KEY_MODE)
    try:
        with open(descriptor, "w", encoding="ascii") as stream:  # noqa: PTH123  a descriptor, for the mode
            stream.write(secrets.token_urlsafe(32) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        try:
            path.hardlink_to(staged)
        except FileExistsError:
            return
        sync(path.parent)
    finally:
        staged.unlink()
