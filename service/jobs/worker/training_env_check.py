"""Readiness check of the training environment: interpreter and packages."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from service.jobs.store.heartbeats import Readiness
from service.supervisor.training_env import read_setup

_PROBE = "import sys, importlib.util; sys.exit(any(importlib.util.find_spec(name) is None for name in sys.argv[1:]))"
_PACKAGES = ("torch", "torchvision", "onnx", "training")
_PROBE_SECONDS = 60


class TrainingEnvironment:
    """Training environment of one interpreter, checked repeatedly.

    Args:
        python: interpreter of jobs; need not exist.
        now: returns the current time in UTC.
    """

    def __init__(self, python: Path, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._python = python
        self._now = now
        self._seen: Readiness | None = None

    def check(self) -> Readiness:
        """Readiness and the time of its last change. Packages are checked until they were complete once."""
        state = read_setup(self._python)
        reason = state.reason if state is not None else self._missing()
        if self._seen is None or self._seen.reason != reason:
            since = self._now() if state is None else state.since.astimezone(UTC)
            self._seen = Readiness(ready=reason is None, reason=reason, since=since)
        return self._seen

    def _missing(self) -> str | None:
        """The missing component, as a sentence; None if there is none."""
        if not os.access(self._python, os.X_OK):
            return (
                f"there is no interpreter {self._python}: create the training environment, or set DUET_TRAINING_PYTHON"
            )
        if self._seen is not None and self._seen.ready:
            return None
        if self._has_packages():
            return None
        return (
            f"{self._python} lacks packages for training ({', '.join(_PACKAGES)}): install the project there with "
            "pip install '.[training]', or set DUET_TRAINING_PYTHON to an interpreter that has them"
        )

    def _has_packages(self) -> bool:
        probe = [str(self._python), "-c", _PROBE, *_PACKAGES]
        try:
            return subprocess.run(probe, timeout=_PROBE_SECONDS, check=False, capture_output=True).returncode == 0
        except (OSError, subprocess.TimeoutExpired):
            return False
