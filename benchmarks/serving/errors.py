"""What stops the benchmark, or a part of it, with a sentence instead of a traceback."""

from __future__ import annotations

from core.errors import DuetError


class BenchmarkError(DuetError):
    """The benchmark cannot be run, or what it measured would not be true; the message says why and what to do."""


class LeftOutError(Exception):
    """A part of the benchmark cannot be measured here; the message is the reason that the report gives."""
