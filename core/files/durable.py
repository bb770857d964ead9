"""Atomic and durable file writes, and file locks that the kernel releases when their process ends."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock, Timeout

from core.errors import RepositoryError

LOCK_TIMEOUT_S = 60.0


def write_fsync(path: Path, content: bytes) -> None:
    """Write a file and flush it to disk; `sync` on its folder makes the name durable too."""
    with path.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def sync(path: Path) -> None:
    """Flush the content of a file, or the names in a folder, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def atomic_replace(path: Path, content: bytes | memoryview | Callable[[BinaryIO], object]) -> None:
    """Replace `path` in one step: after a kill or a power cut it has the whole old or the whole new content.

    Args:
        path: the file; its folder exists.
        content: the bytes, or a function that writes them to a stream.

    Raises:
        OSError: the disk is full or the folder cannot be written; `path` keeps its old content.
    """
    temporary = _temporary(path, str(os.getpid()))
    try:
        with temporary.open("wb") as stream:
            if isinstance(content, bytes | memoryview):
                stream.write(content)
            else:
                content(stream)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync(path.parent)


def append_line(path: Path, line: bytes) -> None:
    """Append a line and flush it to disk; a torn last line of a killed process is ended first.

    The caller holds a lock that keeps other writers of `path` away.

    Raises:
        OSError: the disk is full or the file cannot be written.
    """
    with path.open("a+b") as stream:
        if stream.tell() > 0:
            stream.seek(-1, os.SEEK_END)
            if stream.read(1) != b"\n":
                line = b"\n" + line
        stream.write(line + b"\n")
        stream.flush()
        os.fsync(stream.fileno())
    sync(path.parent)


def remove_temporaries(path: Path) -> None:
    """Remove the temporary files of processes that were killed in `atomic_replace(path, ...)`.

    The caller holds a lock that keeps other writers of `path` away.
    """
    for left in path.parent.glob(_temporary(path, "*").name):
        left.unlink()


@contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Hold the lock file `path`; the kernel releases it when the process ends, even after a kill.

    Raises:
        RepositoryError: another process has held the lock for a minute, or the file cannot be opened.
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


def _temporary(path: Path, process: str) -> Path:
    return path.with_name(f".{path.name}.{process}.tmp")
