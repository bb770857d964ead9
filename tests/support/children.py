"""Helpers for child processes: liveness, process groups, output and waiting."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
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


def group_of(leader: int) -> list[int]:
    """Return the living processes of a group."""
    return [pid for pid in psutil.pids() if _group(pid) == leader and is_alive(pid)]


def processes_of(job_id: str) -> list[int]:
    """Return the living processes that have the job's id on their command line."""
    processes = psutil.process_iter(["cmdline"])
    return [process.pid for process in processes if job_id in (process.info["cmdline"] or ()) and is_alive(process.pid)]


def _group(pid: int) -> int | None:
    with suppress(ProcessLookupError):
        return os.getpgid(pid)
    return None
