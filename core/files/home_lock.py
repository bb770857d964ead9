"""Lock of a home: services and workers hold it together, a restore holds it alone."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.errors import ConfigurationError
from core.files.home import ensure_home

RUNNING_NAME = ".running"
"""Lock file in the home; the kernel releases the lock when a process ends."""
RESTORING_NAME = ".restoring"
"""Folder of a restore in the home; it exists until the restore is complete."""
_NOT_WRITABLE = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


@contextmanager
def use_home(home: Path) -> Iterator[None]:
    """Hold the lock together with other services and workers; creates the home.

    Raises:
        ConfigurationError: a backup is being restored into the home, or the last restore was interrupted.
    """
    try:
        descriptor = _open(home)
    except OSError as error:
        if error.errno not in _NOT_WRITABLE:
            raise ConfigurationError(f"cannot lock {home}: {error.strerror}") from error
        descriptor = None  # a service that cannot write to its home only reads versions, which appear complete
    try:
        if descriptor is not None:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ConfigurationError(f"a backup is being restored into {home}: wait until it is complete") from None
        if (home / RESTORING_NAME).exists():
            raise ConfigurationError(f"{interrupted_restore(home)} before you start the service")
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


@contextmanager
def claim_home(home: Path) -> Iterator[None]:
    """Hold the lock alone; creates the home.

    Raises:
        ConfigurationError: a service, a worker or another restore uses the home, or it cannot be written.
    """
    try:
        descriptor = _open(home)
    except OSError as error:
        raise ConfigurationError(f"cannot write to {home}: {error.strerror}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigurationError(
                f"a service, a worker or another restore uses {home}: stop it, or name another folder"
            ) from None
        yield
    finally:
        os.close(descriptor)


def interrupted_restore(home: Path) -> str:
    """Message about a restore that was killed: what to do first."""
    return f"a restore into {home} was interrupted: remove everything in this folder and restore the backup again"


def _open(home: Path) -> int:
    return os.open(ensure_home(home) / RUNNING_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
