"""Child processes of what is tested: whether they live, and waiting for what they do."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path


def wait_until(condition: Callable[[], bool]) -> None:
    """Return once it holds; the test's own timeout bounds the wait."""
    while not condition():
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    """Whether a process runs (Linux)."""
    try:
        # A zombie has ended, and only waits for its parent to look.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def lines_of(output: Path) -> list[str]:
    """What a child has printed into a file so far; none before there is one."""
    return output.read_text().splitlines() if output.exists() else []
