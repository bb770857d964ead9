"""Clients that go away: their places are freed, nothing leaks, and the next request is served."""

from __future__ import annotations

import asyncio
import threading

import numpy as np
import pytest

from service.app import create_app
from service.engine.arrays import Floats, Pixels
from service.engine.lane import Lane
from service.state import AppState
from tests.support.onnx_models import grey_png
from tests.support.service import RunningApp, until

HEADERS = [(b"content-type", b"image/png")]


def scope_of(state: AppState) -> dict[str, object]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/predict",
        "raw_path": b"/predict",
        "query_string": b"",
        "headers": HEADERS,
        "client": ("127.0.0.1", 1),
        "server": ("duet", 80),
        "state": dict(state),
    }


def cnn_lane(running: RunningApp) -> Lane:
    return next(served.lane for served in running.state["engine"].models.loaded() if served.family == "cnn")


async def test_a_client_that_hangs_up_while_it_waits_frees_its_place(
    running: RunningApp, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="duet.access")
    gate = threading.Event()
    started = asyncio.Event()
    loop = asyncio.get_running_loop()
    cnn = cnn_lane(running)
    real = cnn.run

    def gated(images_NHWC: Pixels) -> Floats:
        loop.call_soon_threadsafe(started.set)
        assert gate.wait(30)
        return real(images_NHWC)

    cnn.run = gated
    threads = running.state["settings"].threads
    batcher = running.state["engine"]._batcher
    image_NHWC = np.zeros((1, *running.state["engine"].models.loaded()[0].size, 3), np.uint8)
    occupying = []
    for _ in range(threads):
        occupying.append(batcher.submit(cnn, image_NHWC, 1e9))
        await started.wait()
        started.clear()

    hung_up = asyncio.Event()
    incoming: list[dict[str, object]] = [{"type": "http.request", "body": grey_png(0), "more_body": False}]

    async def receive() -> dict[str, object]:
        if incoming:
            return incoming.pop()
        await hung_up.wait()
        return {"type": "http.disconnect"}

    sent: list[object] = []

    async def send(message: object) -> None:
        sent.append(message)

    app = create_app(running.state["settings"])
    request = asyncio.create_task(app(scope_of(running.state), receive, send))
    await until(lambda: asyncio.sleep(0, cnn.waiting > 0))
    hung_up.set()
    await request
    assert cnn.waiting == 0
    assert "POST /predict 499" in caplog.messages

    gate.set()
    await asyncio.gather(*occupying)
    cnn.run = real
    answer = await running.client.post("/predict", content=grey_png(0), headers={"content-type": "image/png"})
    assert answer.json()["predictions"][0]["label"] == "black"


async def test_a_client_that_hangs_up_in_its_body_is_no_defect(
    running: RunningApp, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="duet.access")
    incoming: list[dict[str, object]] = [
        {"type": "http.disconnect"},
        {"type": "http.request", "body": grey_png(0)[:10], "more_body": True},
    ]

    async def receive() -> dict[str, object]:
        return incoming.pop()

    async def send(message: object) -> None:
        pass

    app = create_app(running.state["settings"])
    await app(scope_of(running.state), receive, send)
    assert "POST /predict 499" in caplog.messages
    assert not [record for record in caplog.records if record.exc_info]
