"""Niceness and autogroup of a job's process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.jobs.worker.child_process import lower_priority

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="sessions are scheduled by Linux alone")


@pytest.fixture
def leader() -> Iterator[int]:
    """A process that leads a session."""
    process = subprocess.Popen(["sleep", "60"], start_new_session=True)
    yield process.pid
    process.kill()
    process.wait()


def session_niceness(pid: int) -> int | None:
    """Niceness of the autogroup of a process; None without autogroups."""
    path = Path(f"/proc/{pid}/autogroup")
    return int(path.read_text(encoding="utf-8").split()[-1]) if path.exists() else None


def test_lower_priority_sets_niceness_and_autogroup(leader: int) -> None:
    lowered = min(19, os.getpriority(os.PRIO_PROCESS, 0) + 7)
    lower_priority(leader, 7)
    assert os.getpriority(os.PRIO_PROCESS, leader) == lowered
    assert session_niceness(leader) in (lowered, None)


def test_lower_priority_of_zero_changes_nothing(leader: int) -> None:
    lower_priority(leader, 0)
    assert os.getpriority(os.PRIO_PROCESS, leader) == os.getpriority(os.PRIO_PROCESS, 0)
    assert session_niceness(leader) in (0, None)
