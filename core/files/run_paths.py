"""Run folders of trainings and jobs: DUET_HOME/runs/<name>/."""

from __future__ import annotations

import re
from pathlib import Path

from core.errors import ConfigurationError

RUNS_NAME = "runs"
LOG_NAME = "log.txt"
"""Output of a job's child process, all attempts in order."""


def named_run(home: Path, name: str) -> Path:
    """Folder of the run `name`, or of the job with that id; it may not exist.

    Raises:
        ConfigurationError: the name is not a valid file name for a run.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
        raise ConfigurationError(
            f"{name!r} is not a valid run name: use letters, digits, dots, - and _, starting with a letter or digit"
        )
    return home / RUNS_NAME / name
