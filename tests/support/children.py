"""Helpers for child processes: liveness, output and waiting."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import psutil


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until the condition is true; the test's timeout limits the wait."""
    while not condition():
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    """Return whether a process runs; zombies do not count."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def lines_of(output: Path) -> list[str]:
    """Return the lines that a child has written to a file so far; empty if the file does not exist."""
    return output.read_text(encoding="utf-8").splitlines() if output.exists() else []
