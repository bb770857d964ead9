"""Free disk space check before long-running work."""

from __future__ import annotations

import shutil
from pathlib import Path

from core.errors import LowDiskError

MIB = 1024 * 1024


def require_space(folder: Path, needed: int, *, what: str, advice: str) -> None:
    """Check that `needed` bytes are free on the disk of `folder`.

    Args:
        folder: the folder to be filled; it may not exist yet.
        needed: bytes.
        what: the work to start, such as `a job`; part of the error message.
        advice: action for the user; part of the error message.

    Raises:
        LowDiskError: fewer bytes are free.
        OSError: the disk cannot be queried.
    """
    existing = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise LowDiskError(
            f"{free // MIB:,} MiB are free on the disk of {folder}, but {what} needs {-(-needed // MIB):,} MiB: "
            f"{advice}"
        )
