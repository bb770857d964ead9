"""DUET_HOME and the shipped models: locations, run folders, free disk space."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from core.errors import ConfigurationError, LowDiskError

HOME_MODE = 0o700


def duet_home() -> Path:
    """Absolute path of DUET_HOME, by default `.duet` in the working directory; it may not exist."""
    return _folder(os.environ.get("DUET_HOME") or ".duet")


def ensure_home(home: Path) -> Path:
    """Create `home`, readable only by its owner; an existing folder is not changed.

    Raises:
        ConfigurationError: it cannot be created, or is not a folder.
    """
    try:
        home.mkdir(mode=HOME_MODE, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"cannot create the state folder {home} ({error.strerror}): set DUET_HOME to a folder that you can write to"
        ) from error
    return home


def shipped_models() -> Path:
    """Absolute path of the shipped, read-only models: DUET_SHIPPED_MODELS, or `models/` beside the `core` package."""
    configured = os.environ.get("DUET_SHIPPED_MODELS")
    return _folder(configured) if configured else Path(__file__).resolve().parents[2] / "models"


def no_versions(shipped: Path, home_models: Path) -> str:
    """A message for an empty model repository: the folders, and how to get versions. A wheel does not contain any."""
    return (
        f"no model versions found in {shipped} or {home_models}: set DUET_SHIPPED_MODELS to the folder `models` of "
        "a checkout of Duet, or train a version with `duet train`"
    )


def _folder(text: str) -> Path:
    return Path(text).expanduser().absolute()


RUNS_NAME = "runs"
LOG_NAME = "log.txt"
"""Output of a job's child process, all attempts in order."""
PARAMETERS_NAME = "parameters.json"
"""Parameters of a job, for its child process. A command line has too little room for them."""


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


MIB = 1024 * 1024


def require_space(folder: Path, needed: int, *, what: str, advice: str) -> None:
    """Check that `needed` bytes are free on the disk of `folder`.

    Args:
        folder: the folder to be filled; it may not exist yet.
        needed: bytes.
        what: the work to start, such as `a job`, for the error message.
        advice: action for the user, for the error message.

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
