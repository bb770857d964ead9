"""Where Duet keeps its state, and where the models that ship with it lie."""

from __future__ import annotations

import os
from pathlib import Path

from core.errors import ConfigurationError

HOME_MODE = 0o700


def duet_home() -> Path:
    """The folder of all writable state: `DUET_HOME`, or `.duet` in the working directory. Absolute; may not exist."""
    return _folder(os.environ.get("DUET_HOME") or ".duet")


def ensure_home(home: Path) -> Path:
    """Create `home` readable by its owner alone; one that exists is left as it is.

    Raises:
        ConfigurationError: it cannot be created, or is something other than a folder.
    """
    try:
        home.mkdir(mode=HOME_MODE, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"cannot keep state in {home} ({error.strerror}): point DUET_HOME at a folder that you can write to"
        ) from error
    return home


def shipped_models() -> Path:
    """The read-only models of the project: `DUET_SHIPPED_MODELS`, or `models/` beside the `core` package. Absolute."""
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
