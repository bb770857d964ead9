"""Stub interpreters of a training environment: a script with the protocol of a job process, or the real one.

Both are started as `SCRIPT -m training job ...` and report that all packages are installed.
"""

from __future__ import annotations

import sys
from pathlib import Path
from textwrap import dedent

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
