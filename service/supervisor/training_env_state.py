"""How far the environment that training runs in has come, for the worker to tell: a file beside its Python."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from core.files.durable import atomic_replace

STATE_NAME = "setup.json"


class SetupState(BaseModel):
    """Why the environment cannot be used now.

    Attributes:
        state: `installing` while it is being made, `failed`, or `interrupted` by the end of the service.
        reason: a sentence for those who wait for it.
        since: when that began.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    state: Literal["installing", "failed", "interrupted"]
    reason: str
    since: AwareDatetime


def read_setup(python: Path) -> SetupState | None:
    """Why the environment of `python` cannot be used now; None where no set-up says anything against it."""
    path = _state_path(python)
    try:
        return SetupState.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        since = datetime.fromtimestamp(path.stat().st_mtime).astimezone()
        return SetupState(state="failed", reason=f"{path} cannot be read: {error}", since=since)


def write_setup(python: Path, state: SetupState) -> None:
    """Say why the environment of `python` cannot be used now; its folder is created where it is missing."""
    path = _state_path(python)
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_replace(path, state.model_dump_json(indent=1).encode())


def clear_setup(python: Path) -> None:
    """Say that the environment of `python` can be used."""
    _state_path(python).unlink(missing_ok=True)


def _state_path(python: Path) -> Path:
    # Not resolved: bin/python of a virtual environment is a link out of it.
    return python.parent.parent / STATE_NAME
