"""Deciding the trial of an int8 variant: speed is the machine's, and tests have too few images to show accuracy."""

from __future__ import annotations

import pytest

from training.export import int8_acceptance


def let_int8_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice as fast, and any difference in accuracy will do."""
    monkeypatch.setattr(int8_acceptance, "measure_speedup", lambda _graphs, _images: 2.0)
    monkeypatch.setattr(int8_acceptance, "MAX_LOSS", 1.0)


def let_int8_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """No faster than float32."""
    monkeypatch.setattr(int8_acceptance, "measure_speedup", lambda _graphs, _images: 1.0)
    monkeypatch.setattr(int8_acceptance, "MAX_LOSS", 1.0)
