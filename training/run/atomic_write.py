"""Writing files so that a kill or a full disk leaves the old content or the new, never half of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let `write` fill a temporary file beside `path`, then flush it to disk and rename it into place.

    Raises:
        OSError: the disk is full or the folder cannot be written; `path` keeps its old content.
    """
    temporary = _temporary(path, str(os.getpid()))
    try:
        with temporary.open("wb") as stream:
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def remove_temporaries(path: Path) -> None:
    """Remove what processes that were killed while they wrote `path` left; the caller keeps other writers away."""
    for left in path.parent.glob(_temporary(path, "*").name):
        left.unlink()


def _temporary(path: Path, process: str) -> Path:
    return path.with_name(f".{path.name}.{process}.tmp")
