"""Makes the environment that training runs in while the service already answers."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from service.supervisor.program import Program, describe_end
from service.supervisor.supervised_process import SupervisedProcess
from service.supervisor.training_env_state import SetupState, clear_setup, write_setup

log = logging.getLogger("duet.supervisor")

_TOLD_LINES = 3
"""Of what the command said last: where it is a build tool, the line of its own comes after those that explain."""


class TrainingSetup(SupervisedProcess):
    """Runs the command once, in the background; what failed is tried again when the service starts again."""

    def __init__(self, program: Program, python: Path) -> None:
        """Nothing is started yet.

        Args:
            program: makes the environment, or finds it made.
            python: the environment's interpreter, beside which the state is written.
        """
        super().__init__(program)
        self._python = python

    def stop(self) -> None:
        """End the command, where it still runs, and return when it is gone."""
        # The whole group: the command is a build tool, whose installers would otherwise go on.
        self._ask_to_end(whole_group=True)
        self.kill()
        self._thread.join()

    def _supervise(self) -> None:
        try:
            self._tell("installing", f"the environment for training is being made, see {self._program.output}")
            how = self._make()
        except OSError as error:
            how = f"{error.strerror}: {error.filename}"
        if how is None:
            clear_setup(self._python)
            log.info("what training needs is installed", extra={"python": str(self._python)})
        elif self._stopping.is_set():
            reason = "making the environment for training was interrupted; it goes on when the service starts again"
            self._tell("interrupted", reason)
        else:
            said = self._program.last_words(_TOLD_LINES)
            reason = (
                f"making the environment for training failed ({how}: {said}), see {self._program.output}; "
                "it is tried again when the service starts again"
            )
            log.error("training cannot be used: %s", reason)
            self._tell("failed", reason)

    def _make(self) -> str | None:
        """Run the command to its end; how it failed, in words, or None where it did not."""
        process = self._begin()
        if process is None:
            return "no start"
        status = process.wait()
        return describe_end(status) if status else None

    def _tell(self, state: Literal["installing", "failed", "interrupted"], reason: str) -> None:
        try:
            write_setup(self._python, SetupState(state=state, reason=reason, since=datetime.now(UTC)))
        except OSError as error:
            log.error("cannot write the state of the set-up (%s)", error)
