"""Where runs of training and jobs keep what they write: DUET_HOME/runs/<name>/."""

from __future__ import annotations

import re
from pathlib import Path

from core.errors import ConfigurationError

RUNS_NAME = "runs"
LOG_NAME = "log.txt"
"""What a job's child process printed, all attempts one after the other."""


def named_run(home: Path, name: str) -> Path:
    """The folder of the run called `name`, or of the job with that id; it need not exist.

    Raises:
        ConfigurationError: the name could leave the folder of runs.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
        raise ConfigurationError(f"{name!r} cannot name a run: use letters, digits, dots, - and _, a letter first")
    return home / RUNS_NAME / name
