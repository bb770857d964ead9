"""A service on the shipped models, for what the documentation shows of its answers."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from docs.generate import ROOT


@contextmanager
def shipped_service() -> Iterator[tuple[str, dict[str, str]]]:
    """A service on a free port, with the shipped models alone and no worker: its address, and the environment in
    which `duet` is about it.
    """
    with tempfile.TemporaryDirectory() as home:
        programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        about_it = {"DUET_HOME": home, "DUET_SHIPPED_MODELS": str(ROOT / "models"), "PATH": programs}
        environment = os.environ | about_it | {"DUET_EMBEDDED_WORKER": "0"}
        command = [sys.executable, "-m", "duet", "serve", "--port", "0"]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
            try:
                assert process.stdout is not None  # noqa: S101  a pipe was asked for
                address = process.stdout.readline().split()[4]
                while httpx.get(f"{address}/readyz").status_code != 200:
                    time.sleep(0.1)
                yield address, about_it
            finally:
                process.terminate()
