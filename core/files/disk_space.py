"""Free disk space, checked before long work begins that would fail without it."""

from __future__ import annotations

import shutil
from pathlib import Path

from core.errors import LowDiskError

MIB = 1024 * 1024


def require_space(folder: Path, needed: int, *, what: str, advice: str) -> None:
    """Check that so many bytes are free on the disk of `folder`.

    Args:
        folder: the folder to be filled; it need not exist yet.
        needed: bytes.
        what: the work to begin, such as `a job`.
        advice: what to do if there is no room.

    Raises:
        LowDiskError: less is free; the message says how much, and gives the advice.
        OSError: the disk does not answer.
    """
    existing = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise LowDiskError(
            f"{free // MIB:,} MiB are free where {folder} lies, and {what} is not begun with less than "
            f"{-(-needed // MIB):,} MiB: {advice}"
        )
