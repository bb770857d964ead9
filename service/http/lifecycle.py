"""Lifecycle of the server process: whether it is draining."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Lifecycle:
    """Where the process is in its life; `draining` is set once, when it has been asked to stop."""

    draining: bool = False
