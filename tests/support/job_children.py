"""Stub interpreters of a training environment: scripted and paced trainings, or the real one."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

_DOUBLE = """\
import argparse, ctypes, json, os, select, signal, subprocess, sys, time
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
parser = argparse.ArgumentParser()
for name in ("id", "kind", "parameters", "events", "parent", "threads"):
    parser.add_argument("--" + name)
job = parser.parse_args(sys.argv[4:])
events = int(job.events)
parameters = json.load(open(job.parameters, encoding="utf-8"))
run_folder = os.path.join(os.environ["DUET_HOME"], "runs", job.id)

def write(data):
    while data:
        data = data[os.write(events, data):]

def tell(event, **fields):
    write(json.dumps({"event": event, **fields}).encode() + b"\\n")

def hear():
    line = sys.stdin.readline()
    if not line:
        os._exit(9)
    return json.loads(line)

def ask(number, action="checkpoint"):
    tell("permit", number=number, action=action)
    heard = hear()
    if heard["event"] == "cancel":
        sys.exit(3)
    return heard["granted"]

def progress(step, steps=100):
    tell("progress", epoch=1, epochs=1, step=step, steps=steps, loss=1.0, accuracy=0.5, seconds_left=1.0)

"""

_REAL = """\
import sys
sys.path.insert(0, {root!r})
{before}
from training.jobs.main import main
sys.exit(main(sys.argv[3:]))
"""
_SMALL_DATA = """\
from training.data import cifar10
cifar10.load_cifar10.__kwdefaults__["files"] = {files!r}
"""


STEPS = """
    trace = os.path.join(run_folder, "trace")
    done = len(open(trace).readlines()) if os.path.exists(trace) else 0
    steps = parameters["seed"]
    tell("fit_started", steps=steps, done=done, detail="")
    for step in range(done + 1, steps + 1):
        time.sleep(0.05)
        if not ask(step):
            sys.exit(4)
        with open(trace, "a") as stream:
            stream.write(f"{step} {os.getpid()}\\n")
        tell("note", text=f"step {step}")
    tell("result", result={"steps": steps})
"""
"""Child with as many steps as the job's seed; it resumes from the steps of an earlier child."""


def double(path: Path, body: str) -> Path:
    """Return a script that dies with its parent and runs `body`, which may call tell, ask, hear and progress."""
    return _script(path, _DOUBLE + dedent(body))


def real_child(folder: Path, *, more: str = "") -> Path:
    """Return the real job process on synthetic images in `folder` (set DUET_DATA_DIR to it); `more` runs first."""
    from tests.support.cifar_files import write_cifar_files  # needs the training dependencies

    before = _SMALL_DATA.format(files=write_cifar_files(folder)) + dedent(more)
    return _script(folder / "python", _REAL.format(root=str(ROOT), before=before))


def training_python(folder: Path) -> Path:
    """Return an interpreter with the training dependencies, whose CIFAR-10 is synthetic images in `folder`.

    Set DUET_DATA_DIR to the folder. Only the published checksums are replaced.
    """
    from tests.support.cifar_files import write_cifar_files  # needs the training dependencies

    path = folder / "python"
    before = _SMALL_DATA.format(files=write_cifar_files(folder))
    path.write_text(
        f"#!{sys.executable}\nimport runpy, sys\nsys.path.insert(0, {str(ROOT)!r})\n"
        "if sys.argv[1] == '-c':\n    sys.exit(0)  # no packages are missing\n"
        f"{before}sys.argv = sys.argv[2:]\nrunpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)\n"
    )
    path.chmod(0o755)
    return path


def child_doing(path: Path, before: str) -> Path:
    """Return the real job process with another job: `before` defines `run(job, line)`."""
    before = f"{dedent(before)}\nfrom training.jobs import main as module\nmodule._run = run\n"
    return _script(path, _REAL.format(root=str(ROOT), before=before))


def _script(path: Path, text: str) -> Path:
    path.write_text(
        f"#!{sys.executable}\nimport sys\nif sys.argv[1] == '-c':\n    sys.exit(0)  # no packages are missing\n{text}",
        encoding="utf-8",
    )
    path.chmod(0o755)
    return path


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
