"""A process of `benchmarks.saliency.bare` on the servers' core, asked from here."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.serving.errors import BenchmarkError
from benchmarks.serving.machine import pinned
from benchmarks.serving.processes import ROOT


class Child:
    """Times one thing at a time and otherwise sleeps."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def times(self, name: str, seconds: float) -> list[float]:
        """Seconds of each run of `name`, one of `bare.KINDS`, for about `seconds` in all.

        Raises:
            BenchmarkError: the process has ended.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(f"{name} {seconds}\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # what it said before it ended is on the terminal
        answer = self._process.stdout.readline()
        if not answer:
            raise BenchmarkError(f"{name} could not be measured: what it needs is in the extra `training`")
        taken: list[float] = json.loads(answer)
        return taken


@contextmanager
def child(version: Path, *, core: int) -> Iterator[Child]:
    """Start one that measures the version in this folder, and end it with the context."""
    command = [sys.executable, "-m", "benchmarks.saliency.bare", "--version", str(version)]
    with pinned({core}):
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield Child(process)
    finally:
        process.kill()
        process.communicate()
