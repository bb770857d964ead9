"""State file of the training environment, beside its interpreter, read by the worker."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from core.files.durable import atomic_replace

STATE_NAME = "setup.json"


class SetupState(BaseModel):
    """Reason why the environment cannot be used now.

    Attributes:
        state: `installing`, `failed`, or `interrupted` by the end of the service.
        reason: a sentence for the user.
        since: time of the last change.
        process: id of the process that installs; None if it is not known.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    state: Literal["installing", "failed", "interrupted"]
    reason: str
    since: AwareDatetime
    process: int | None = None


def read_setup(python: Path) -> SetupState | None:
    """Read the state of the environment of `python`; None if it is usable."""
    path = _state_path(python)
    try:
        state = SetupState.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        since = datetime.fromtimestamp(path.stat().st_mtime).astimezone()
        return SetupState(state="failed", reason=f"{path} cannot be read: {error}", since=since)
    if state.state == "installing" and state.process is not None and not _runs(state.process):
        reason = "the installation ended with the process that ran it; it continues when the service starts again"
        return SetupState(state="interrupted", reason=reason, since=state.since)
    return state


def write_setup(python: Path, state: SetupState) -> None:
    """Write the state of the environment of `python`; creates its folder if missing."""
    path = _state_path(python)
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_replace(path, state.model_dump_json(indent=1).encode())


def clear_setup(python: Path) -> None:
    """Remove the state file: the environment of `python` is usable."""
    _state_path(python).unlink(missing_ok=True)


def _runs(process: int) -> bool:
    """Return whether a process with this id exists on this machine."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _state_path(python: Path) -> Path:
    # Not resolved, because bin/python of a virtual environment is a symbolic link to another folder.
    return python.parent.parent / STATE_NAME
