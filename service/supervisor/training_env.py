"""Creation of the training environment in the background, while the service already runs."""

from __future__ import annotations

import logging
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from service.supervisor.program import Program, describe_end
from service.supervisor.supervised_process import SupervisedProcess
from service.supervisor.training_env_state import SetupState, clear_setup, write_setup

log = logging.getLogger("duet.supervisor")

_OUTPUT_LINES = 3
"""Output lines in the error; a build tool prints its own line after the explanation."""


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
