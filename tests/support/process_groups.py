"""Process groups of subprocesses: members and jobs."""

from __future__ import annotations

import os
from contextlib import suppress

import psutil

from tests.support.children import is_alive as is_alive


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
