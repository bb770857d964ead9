"""What stops the benchmark with a sentence instead of a traceback."""

from __future__ import annotations

from core.errors import DuetError


class BenchmarkError(DuetError):
    """The benchmark cannot be run, or what it measured would not be true; the message says why and what to do."""
