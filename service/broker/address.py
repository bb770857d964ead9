"""Where the broker of a `DUET_HOME` listens, which every process can tell without asking."""

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
"""The address of a unix socket holds 104 bytes on some systems and 108 on others, its final zero among them."""
_RUNTIME = Path("/tmp")  # noqa: S108  its folders are checked; TMPDIR may differ between the processes that look here


def broker_folder(home: Path) -> Path:
    """The folder of the broker's data."""
    return home / BROKER_NAME


def socket_path(home: Path) -> Path:
    """The broker's socket: beside its data or, where that path is too long for a socket, in a short runtime folder."""
    beside = broker_folder(home) / SOCKET_NAME
    if len(os.fsencode(beside)) <= MAX_SOCKET_BYTES:
        return beside
    which = hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
    return _RUNTIME / f"duet-{os.geteuid()}-{which}" / SOCKET_NAME


def embedded_url(home: Path) -> str:
    """The broker's address, `unix://` and the socket's path percent-encoded, whether it runs or not.

    Args:
        home: absolute.
    """
    return f"unix://{quote(str(socket_path(home)))}"


def ensure_private(folder: Path) -> None:
    """Create `folder`, in which nobody else may reach the socket.

    Raises:
        ConfigurationError: it cannot be created, or someone else owns it or may enter it.
    """
    try:
        folder.mkdir(mode=HOME_MODE, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise ConfigurationError(
            f"cannot keep the broker's files in {folder} ({error.strerror}): point DUET_HOME at a folder that you can "
            "write to, or set DUET_REDIS_URL to a broker that runs already"
        ) from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise ConfigurationError(
            f"{folder} must be a folder that only you can enter (chmod 700), because whoever reaches the broker in it "
            "can run jobs"
        )
