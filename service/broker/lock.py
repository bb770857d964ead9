"""Lock that allows one `duet serve` with an embedded broker per `DUET_HOME`."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.errors import ConfigurationError
from core.files.home import ensure_home
from service.broker.address import broker_folder, ensure_private


@contextmanager
def sole_service(home: Path) -> Iterator[None]:
    """Hold the lock of the embedded broker of `home`; the kernel releases it when this process ends.

    Raises:
        ConfigurationError: another process holds it, or the folder cannot be used.
    """
    ensure_home(home)
    folder = broker_folder(home)
    ensure_private(folder)
    with os.fdopen(os.open(folder / "serve.lock", os.O_RDWR | os.O_CREAT, 0o600), "r+") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigurationError(
                f"another duet serve runs on {home} (process {held.read().strip() or 'unknown'}): stop it, or set "
                "another DUET_HOME; to run several on one DUET_HOME, start a Redis server and set DUET_REDIS_URL"
            ) from None
        held.truncate()
        held.write(f"{os.getpid()}\n")
        held.flush()
        yield
