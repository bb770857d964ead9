"""Creation of the training environment in the background, and its state file, which the worker reads."""

from __future__ import annotations

import logging
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from core.files.durable import atomic_replace
from service.supervisor.program import Program, describe_end
from service.supervisor.supervised_process import SupervisedProcess

log = logging.getLogger("duet.supervisor")

STATE_NAME = "setup.json"
_OUTPUT_LINES = 3
"""Output lines in the error; a build tool prints its own line after the explanation."""


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


class TrainingSetup(SupervisedProcess):
    """Runs the command once, in the background; a failure is retried at the next start of the service."""

    def __init__(self, program: Program, python: Path) -> None:
        """Start nothing yet.

        Args:
            program: creates the environment, if it does not exist.
            python: interpreter of the environment, beside which the state is written.
        """
        super().__init__(program)
        self._python = python

    def stop(self) -> None:
        """Terminate the command, if it still runs, and return when it has ended."""
        # The whole group, because the installers of the build tool would otherwise continue.
        self._terminate(whole_group=True)
        self.kill()
        self._thread.join()

    def _supervise(self) -> None:
        try:
            self._report("installing", f"the training environment is being installed, see {self._program.output}")
            how = self._install()
        except OSError as error:
            how = f"{error.strerror}: {error.filename}"
        if how is None:
            clear_setup(self._python)
            log.info("the training environment is ready", extra={"python": str(self._python)})
        elif self._stopping.is_set():
            reason = "the installation of the training environment was interrupted: restart the service to continue it"
            self._report("interrupted", reason)
        else:
            output = self._program.last_output(_OUTPUT_LINES)
            reason = (
                f"the installation of the training environment failed ({how}: {output}), see {self._program.output}; "
                "restart the service to retry it"
            )
            log.error("training is unavailable: %s", reason)
            self._report("failed", reason)

    def _install(self) -> str | None:
        """Run the command to its end; returns a description of its failure, or None."""
        process = self._begin()
        if process is None:
            return "not started"
        status = process.wait()
        return describe_end(status) if status else None

    def _report(self, state: Literal["installing", "failed", "interrupted"], reason: str) -> None:
        try:
            write_setup(
                self._python, SetupState(state=state, reason=reason, since=datetime.now(UTC), process=os.getpid())
            )
        except OSError as error:
            log.error("cannot write the state of the training environment: %s", error)
