"""`duet` as it is run in a terminal, but in this process."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from duet.cli import main

Duet = Callable[..., int]


def duet_command(monkeypatch: pytest.MonkeyPatch) -> Duet:
    """A function of the words after `duet` that returns the exit status."""

    def run(*words: str) -> int:
        monkeypatch.setattr(sys, "argv", ["duet", *words])
        try:
            main()
        except SystemExit as stop:
            return int(stop.code or 0)
        return 0

    return run
