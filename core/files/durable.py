"""Writes that survive a kill and a power cut, and locks that end with the process that holds them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from core.errors import RepositoryError

LOCK_TIMEOUT_S = 60.0


def write_fsync(path: Path, content: bytes) -> None:
    """Write a whole file and wait until it is on disk; its folder entry is only safe after `sync_folder`."""
    with path.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def sync(path: Path) -> None:
    """Wait until a file's content, or the names in a folder, are on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def atomic_replace(path: Path, content: bytes) -> None:
    """Replace `path` in one step: readers, and a restart after a kill, see the old content or the new, whole.

    The caller holds a lock that keeps other writers of `path` away.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        write_fsync(temporary, content)
        temporary.rename(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    sync(path.parent)


@contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Hold the lock file `path`; the kernel frees it when the process ends in whatever way.

    Raises:
        RepositoryError: another process has held it for a minute, or the file cannot be opened.
    """
    lock = FileLock(path, timeout=LOCK_TIMEOUT_S)
    try:
        lock.acquire()
    except Timeout:
        raise RepositoryError(
            f"another process has held {path} for {LOCK_TIMEOUT_S:.0f} seconds: wait for it or end it, then try again"
        ) from None
    except OSError as error:
        raise RepositoryError(f"cannot lock {path}: {error.strerror}") from error
    try:
        yield
    finally:
        lock.release()
