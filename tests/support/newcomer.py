"""Service in a fresh checkout: `make serve` in a copy of the project, without torch."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from tests.support.job_children import double
from tests.support.markdown import ROOT

CHILD = """
    epochs = parameters["overrides"].get("epochs", 1)
    number = 0
    while epochs > 10 or number < epochs:
        number += 1
        ask(number)
        if epochs <= 10:
            tell("epoch", epoch=number, epochs=epochs, train_loss=1.0, train_accuracy=0.5, validation_loss=1.0,
                 validation_accuracy=0.5, learning_rate=0.1, seconds=1.0)
    tell("result", result={})
"""
"""Stands in for a training: tells of the epochs that it was asked for; of more than ten, until it is cancelled."""


@dataclass(frozen=True)
class Site:
    """Host and port of the service, its DUET_HOME, and the programs that `make serve` has installed."""

    address: str
    home: Path
    programs: Path


@contextmanager
def made_and_served(tree: Path) -> Iterator[Site]:
    """`make serve` in a copy of the checkout in `tree`, from when it is ready; ended as by a terminal."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # Instead of an environment of several GB: that one is made is tested in test_makefile.py.
    training = double(tree / "training-python", CHILD)
    environment = os.environ | {"DUET_PORT": str(port), "DUET_TRAINING_PYTHON": str(training), "DUET_JOB_FREE_MIB": "0"}
    for name in ("DUET_HOME", "DUET_SHIPPED_MODELS", "VIRTUAL_ENV"):
        environment.pop(name, None)
    _copy_checkout(tree)
    process = subprocess.Popen(["make", "serve"], cwd=tree, env=environment, start_new_session=True)
    try:
        site = Site(f"127.0.0.1:{port}", tree / ".duet", tree / ".venv" / "bin")
        _wait_until_ready(f"http://{site.address}/readyz", process)
        yield site
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=60)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def _copy_checkout(tree: Path) -> None:
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    for name in (name for name in names if name and (ROOT / name).is_file()):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tree / name)


def _wait_until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(2000):
        assert process.poll() is None, "make serve ended"
        try:
            with urlopen(url, timeout=5):
                return
        except (URLError, OSError):
            time.sleep(0.1)
    raise AssertionError("make serve did not become ready")
