"""Locations of the writable state (DUET_HOME) and of the shipped models."""

from __future__ import annotations

import os
from pathlib import Path

from core.errors import ConfigurationError

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
        f"there are no model versions in {shipped} or {home_models}: set DUET_SHIPPED_MODELS to the folder `models` of "
        "a checkout of Duet, or train a version with `duet train`"
    )


def _folder(text: str) -> Path:
    return Path(text).expanduser().absolute()
