"""Figures of several workers: whoever is scraped knows what the others have."""

from __future__ import annotations

from pathlib import Path

import pytest

import service.app as app_module
from tests.support.service import listening_app, settings_for, until


async def test_another_workers_gauges_are_kept_fresh(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_module, "FRESH_SECONDS", 0.01)
    async with listening_app(settings_for(home, workers=2)) as app:
        metrics = app.state["metrics"]

        async def knows_the_models() -> bool:
            labels = {"model": "cnn", "version": "1", "precision": "fp32"}
            return metrics.registry.get_sample_value("duet_model_info", labels) == 1.0

        await until(knows_the_models)
