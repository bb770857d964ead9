"""Where studies keep what they write: DUET_HOME/studies/<name>/."""

from __future__ import annotations

import re
from pathlib import Path

from core.errors import ConfigurationError
from core.files.disk_space import MIB, require_space

STUDIES_NAME = "studies"
ROOM = 256 * MIB
"""Bytes that a study's runs take on the disk: two checkpoints, while one takes the other's place, of a network of eight
million weights, its running mean and two moments of its optimizer: the largest recipe's."""


def study_folder(home: Path, name: str) -> Path:
    """The folder of the study called `name`; it need not exist.

    Raises:
        ConfigurationError: the name could leave the folder of studies.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
        raise ConfigurationError(f"{name!r} cannot name a study: use letters, digits, dots, - and _, a letter first")
    return home / STUDIES_NAME / name


def require_room(folder: Path) -> None:
    """Check that the disk of a study's folder, which has to exist, has room for the checkpoints of its runs.

    Raises:
        LowDiskError: it has not.
    """
    require_space(folder, ROOM, what="a study", advice="free some space first; what is done already is kept")
