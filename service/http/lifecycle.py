"""Lifecycle of the server process: whether it is draining."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Lifecycle:
    """Lifecycle flags; `draining` is set once, when the process is asked to stop."""

    draining: bool = False
