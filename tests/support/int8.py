"""Fixed result of the int8 acceptance test, which otherwise depends on the speed of the machine."""

from __future__ import annotations

import pytest

from training.export import quantize


def let_int8_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """Accept int8: speed-up 2, any difference in accuracy."""
    monkeypatch.setattr(quantize, "measure_speedup", lambda _graphs, _images: 2.0)
    monkeypatch.setattr(quantize, "MAX_LOSS", 1.0)


def let_int8_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reject int8: no speed-up."""
    monkeypatch.setattr(quantize, "measure_speedup", lambda _graphs, _images: 1.0)
    monkeypatch.setattr(quantize, "MAX_LOSS", 1.0)
