"""Whether jobs could run now: is their environment there, and has it torch?"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from service.jobs.store.heartbeats import Readiness
from service.supervisor.training_env_state import read_setup

_PROBE = "import sys, importlib.util; sys.exit(any(importlib.util.find_spec(name) is None for name in sys.argv[1:]))"
_NEEDED = ("torch", "torchvision", "onnx", "training")
_PROBE_SECONDS = 60


class TrainingEnvironment:
    """The environment of one interpreter, looked at again and again.

    Args:
        python: that jobs run in; it need not be there.
        now: the time, UTC.
    """

    def __init__(self, python: Path, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._python = python
        self._now = now
        self._seen: Readiness | None = None

    def look(self) -> Readiness:
        """Whether it can be used, and since when that is so. What it holds is looked at until it was once complete."""
        state = read_setup(self._python)
        reason = state.reason if state is not None else self._lack()
        if self._seen is None or self._seen.reason != reason:
            since = self._now() if state is None else state.since.astimezone(UTC)
            self._seen = Readiness(ready=reason is None, reason=reason, since=since)
        return self._seen

    def _lack(self) -> str | None:
        """What is missing, as a sentence."""
        if not os.access(self._python, os.X_OK):
            return f"there is no interpreter {self._python}: make the training environment, or set DUET_TRAINING_PYTHON"
        if self._seen is not None and self._seen.ready:
            return None
        if self._has_what_training_needs():
            return None
        return (
            f"{self._python} lacks what training needs ({', '.join(_NEEDED)}): install the project there with "
            "pip install '.[training]', or set DUET_TRAINING_PYTHON to an interpreter that has it"
        )

    def _has_what_training_needs(self) -> bool:
        probe = [str(self._python), "-c", _PROBE, *_NEEDED]
        try:
            return subprocess.run(probe, timeout=_PROBE_SECONDS, check=False, capture_output=True).returncode == 0
        except (OSError, subprocess.TimeoutExpired):
            return False
