"""`duet` command line, run in the test process."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from duet.cli import main

Duet = Callable[..., int]


def duet_command(monkeypatch: pytest.MonkeyPatch) -> Duet:
    """Return a function that runs `duet` with the given arguments and returns the exit status."""

    def run(*words: str) -> int:
        monkeypatch.setattr(sys, "argv", ["duet", *words])
        try:
            main()
        except SystemExit as stop:
            return int(stop.code or 0)
        return 0

    return run


def interrupt(*_: object, **__: object) -> None:
    """Raise what Ctrl-C raises; a signal would be ignored if the tests run in the background of a shell."""
    raise KeyboardInterrupt
