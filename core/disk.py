"""Free disk space, looked at before work is begun that would fail hours later for want of it."""

from __future__ import annotations

import shutil
from pathlib import Path

from core.errors import LowDiskError

MIB = 1024 * 1024


def require_space(folder: Path, needed: int, *, what: str, advice: str) -> None:
    """Check that so many bytes are free where `folder` lies, which has to exist.

    Args:
        folder: that is about to be filled.
        needed: bytes.
        what: is to be begun, such as `a job`.
        advice: what to do where it is refused.

    Raises:
        LowDiskError: less is free; the message says how much, and gives the advice.
        OSError: the folder cannot be asked.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise LowDiskError(
            f"{free // MIB:,} MiB are free where {folder} lies, and {what} is not begun with less than "
            f"{-(-needed // MIB):,} MiB: {advice}"
        )
