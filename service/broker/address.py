"""Socket path and URL of the embedded broker, derived from `DUET_HOME`."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from urllib.parse import quote

from core.errors import ConfigurationError
from core.files.home import HOME_MODE

BROKER_NAME = "broker"
SOCKET_NAME = "broker.sock"
MAX_SOCKET_BYTES = 100
"""Limit of a unix socket path: 104 or 108 bytes including the final zero, depending on the system."""
_RUNTIME = Path("/tmp")  # noqa: S108  permissions are checked; TMPDIR may differ between processes


def broker_folder(home: Path) -> Path:
    """Folder of the broker's data."""
    return home / BROKER_NAME


def socket_path(home: Path) -> Path:
    """Path of the broker's socket: beside its data, or in a runtime folder if that path is too long."""
    beside = broker_folder(home) / SOCKET_NAME
    if len(os.fsencode(beside)) <= MAX_SOCKET_BYTES:
        return beside
    which = hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
    return _RUNTIME / f"duet-{os.geteuid()}-{which}" / SOCKET_NAME


def embedded_url(home: Path) -> str:
    """URL of the broker: `unix://` and the percent-encoded socket path.

    Args:
        home: absolute.
    """
    return f"unix://{quote(str(socket_path(home)))}"


def ensure_private(folder: Path) -> None:
    """Create `folder` with access for this user only.

    Raises:
        ConfigurationError: it cannot be created, or other users own it or have access.
    """
    try:
        folder.mkdir(mode=HOME_MODE, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise ConfigurationError(
            f"cannot store the broker's files in {folder} ({error.strerror}): point DUET_HOME at a folder that you can "
            "write to, or set DUET_REDIS_URL to a running broker"
        ) from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise ConfigurationError(
            f"{folder} must be a folder that only you can enter (chmod 700), because access to the broker's socket "
            "allows running jobs"
        )
