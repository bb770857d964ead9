"""Commands of the benchmarks, run as a user runs them."""

from __future__ import annotations

import os
import subprocess
import sys

import psutil

from benchmarks.common.server import ROOT


def start(suite: str, *options: str) -> subprocess.Popen[str]:
    """Start `python -m benchmarks.SUITE` without the DUET_ variables of this process."""
    return subprocess.Popen(
        [sys.executable, "-m", f"benchmarks.{suite}", *options],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("DUET_")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(suite: str, *options: str) -> str:
    """Run a suite that must succeed, and return what it printed."""
    with start(suite, *options) as process:
        try:
            printed, progress = process.communicate(timeout=280)
        finally:
            process.terminate()  # after a timeout; it stops its servers
    assert process.returncode == 0, progress
    return printed


def is_running(process: psutil.Process) -> bool:
    """Return whether a process has not exited; a zombie has."""
    return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
