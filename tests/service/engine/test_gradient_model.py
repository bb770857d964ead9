"""Gradient graph: opened by the first explanation, closed when idle."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from service.engine import gradient_model
from tests.support.gradient_graphs import write_explainable
from tests.support.onnx_models import gray_png
from tests.support.service import running_app, settings_for, until


async def test_idle_graph_is_closed_and_opened_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_explainable(tmp_path)
    monkeypatch.setattr(gradient_model, "IDLE_SECONDS", 0.05)
    async with running_app(settings_for(tmp_path)) as app:
        graph = app.state["engine"].models.champions["cnn"].default.gradient
        assert graph is not None
        for _ in range(2):
            assert graph._opening is None
            answer = await app.client.post("/saliency", content=gray_png(9), headers={"content-type": "image/png"})
            assert answer.status_code == 200, answer.text
            await until(lambda: asyncio.sleep(0, graph._opening is None))
