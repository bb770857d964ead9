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
    """Says what a paced training tells, from the moment it has begun; a retried one tells all of it again."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.seed = seed
        self._script = folder / str(seed)

    def tell(self, event: str, **fields: Any) -> None:
        """Have it send one event of `core.jobs.events`."""
        self._add({"event": event, **fields})

    def epoch(self, number: int, epochs: int, *, loss: float, accuracy: float) -> None:
        """The end of an epoch: these on the validation images, a little less and more on those trained on."""
        self.tell(
            "epoch", epoch=number, epochs=epochs, train_loss=loss - 0.05, train_accuracy=accuracy + 0.02,
            validation_loss=loss, validation_accuracy=accuracy, learning_rate=0.001, seconds=1.0,
        )  # fmt: skip

    def progress(self, step: int, steps: int, epochs: int, *, loss: float, accuracy: float = 0.5) -> None:
        """Somewhere within an epoch."""
        epoch = 1 + (step - 1) * epochs // steps
        self.tell(
            "progress", epoch=epoch, epochs=epochs, step=step, steps=steps, loss=loss, accuracy=accuracy,
            seconds_left=1.0,
        )  # fmt: skip

    def print(self, text: str) -> None:
        """Have it print a line into its log."""
        self._add({"print": text})

    def succeed(self) -> None:
        """Have it end well, without a version."""
        self.tell("result", result={})
        self._add({"exit": 0})

    def fail(self, error: str, message: str) -> None:
        """Have it give up."""
        self.tell("failed", error=error, message=message)
        self._add({"exit": 1})

    def forget(self) -> None:
        """Begin anew with nothing to tell: for the next attempt."""
        self._script.write_text("")

    def _add(self, message: dict[str, Any]) -> None:
        with self._script.open("a") as stream:
            stream.write(json.dumps(message) + "\n")


class PacedTrainings:
    """A training environment for `DUET_TRAINING_PYTHON`, and the paces of its jobs."""

    def __init__(self, folder: Path) -> None:
        """`folder` is the environment's own; small images for the real child are written there too."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._given = 0
        real = real_child(folder)
        body = _BODY.format(first=FIRST_PACED, real=str(real), folder=str(folder))
        self.python = double(folder / "paced-python", body)

    @property
    def environment(self) -> dict[str, str]:
        """Variables of a service whose jobs run here."""
        return {
            "DUET_TRAINING_PYTHON": str(self.python), "DUET_DATA_DIR": str(self._folder), "DUET_JOB_FREE_MIB": "0",
            "DUET_JOB_NICE": "0", "DUET_JOB_IDLE": "0", "DUET_JOB_THREADS": "1",
        }  # fmt: skip

    def next(self) -> Pace:
        """The pace of a training that is not yet started, whose seed says which it is."""
        self._given += 1
        return Pace(self._folder, FIRST_PACED + self._given)
