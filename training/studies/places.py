"""Where studies keep what they write: DUET_HOME/studies/<name>/."""

from __future__ import annotations

import re
from pathlib import Path

from core.errors import ConfigurationError

STUDIES_NAME = "studies"


def study_folder(home: Path, name: str) -> Path:
    """The folder of the study called `name`; it need not exist.

    Raises:
        ConfigurationError: the name could leave the folder of studies.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
        raise ConfigurationError(f"{name!r} cannot name a study: use letters, digits, dots, - and _, a letter first")
    return home / STUDIES_NAME / name
