"""Paced trainings: a stub training environment whose progress the test controls.

A training whose seed is at least `FIRST_PACED` is paced; other jobs run the real job process on small images.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.support.job_children import double, real_child

FIRST_PACED = 1_000_000

_BODY = """
if job.kind != "train" or (parameters["seed"] or 0) < {first}:
    os.execv({real!r}, [{real!r}, *sys.argv[1:]])
script, done = os.path.join({folder!r}, str(parameters["seed"])), 0
while True:
    lines = open(script).readlines() if os.path.exists(script) else []
    for line in lines[done:]:
        message = json.loads(line)
        if "print" in message:
            print(message["print"], file=sys.stderr, flush=True)
        elif "exit" in message:
            sys.exit(message["exit"])
        else:
            write(line.encode())
    done = len(lines)
    if select.select([sys.stdin], [], [], 0.002)[0]:
        hear()
        sys.exit(3)
"""


class Pace:
    """Messages of a paced training, sent from its start; a retried one sends all of them again."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.seed = seed
        self._script = folder / str(seed)

    def tell(self, event: str, **fields: Any) -> None:
        """Send one event of `core.jobs.events`."""
        self._add({"event": event, **fields})

    def epoch(self, number: int, epochs: int, *, loss: float, accuracy: float) -> None:
        """Send the end of an epoch with these validation figures and slightly better training figures."""
        self.tell(
            "epoch", epoch=number, epochs=epochs, train_loss=loss - 0.05, train_accuracy=accuracy + 0.02,
            validation_loss=loss, validation_accuracy=accuracy, learning_rate=0.001, seconds=1.0,
        )  # fmt: skip

    def progress(self, step: int, steps: int, epochs: int, *, loss: float, accuracy: float = 0.5) -> None:
        """Send progress within an epoch."""
        epoch = 1 + (step - 1) * epochs // steps
        self.tell(
            "progress", epoch=epoch, epochs=epochs, step=step, steps=steps, loss=loss, accuracy=accuracy,
            seconds_left=1.0,
        )  # fmt: skip

    def print(self, text: str) -> None:
        """Print a line into the log."""
        self._add({"print": text})

    def succeed(self) -> None:
        """End successfully, without a version."""
        self.tell("result", result={})
        self._add({"exit": 0})

    def fail(self, error: str, message: str) -> None:
        """Fail."""
        self.tell("failed", error=error, message=message)
        self._add({"exit": 1})

    def forget(self) -> None:
        """Remove all messages, for the next attempt."""
        self._script.write_text("")

    def _add(self, message: dict[str, Any]) -> None:
        with self._script.open("a") as stream:
            stream.write(json.dumps(message) + "\n")


class PacedTrainings:
    """A training environment for `DUET_TRAINING_PYTHON`, and the paces of its jobs."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._given = 0
        real = real_child(folder)
        body = _BODY.format(first=FIRST_PACED, real=str(real), folder=str(folder))
        self.python = double(folder / "paced-python", body)

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables of a service whose jobs run here."""
        return {
            "DUET_TRAINING_PYTHON": str(self.python), "DUET_DATA_DIR": str(self._folder), "DUET_JOB_FREE_MIB": "0",
            "DUET_JOB_NICE": "0", "DUET_JOB_THREADS": "1",
        }  # fmt: skip

    def next(self) -> Pace:
        """Return the pace of the next training; start the training with its seed."""
        self._given += 1
        return Pace(self._folder, FIRST_PACED + self._given)
