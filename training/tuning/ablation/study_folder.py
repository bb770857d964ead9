"""Folder of a study, DUET_HOME/studies/<name>/, and its disk space check."""

from __future__ import annotations

import re
from pathlib import Path

from core.errors import ConfigurationError
from core.files.home import MIB, require_space

STUDIES_NAME = "studies"
STUDY_BYTES = 256 * MIB
"""Disk space of a study: two checkpoints (during replacement) of eight million weights, their moving average and two
optimizer moments, as in the largest recipe."""


def study_folder(home: Path, name: str) -> Path:
    """Return the folder of a study, which may not exist.

    Raises:
        ConfigurationError: the name is not a valid file name.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
        raise ConfigurationError(
            f"{name!r} cannot name a study: use letters, digits, dots, - and _, starting with a letter"
        )
    return home / STUDIES_NAME / name


def require_room(folder: Path) -> None:
    """Check the disk space for the checkpoints of a study; its folder must exist.

    Raises:
        LowDiskError: there is not enough space.
    """
    require_space(folder, STUDY_BYTES, what="a study", advice="free some space and resume; finished runs are kept")
