"""Requests with ten thousand files: early rejection, and responses in order."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.schemas.api import PredictResponse
from tests.support.onnx_models import CLASSES, brightness_of, gray_png
from tests.support.service import listening_app, running_app, settings_for
from tests.support.wire import FORM, Peer, form, head, request

TEN_THOUSAND = 10_000
PICTURES = {label: gray_png(brightness_of(label)) for label in CLASSES}
LABELS = [CLASSES[i * i % len(CLASSES)] for i in range(TEN_THOUSAND)]
BODY = form([PICTURES[label] for label in LABELS])


async def test_too_many_files_give_422_and_keep_the_connection(home: Path) -> None:
    async with listening_app(settings_for(home)) as app, await Peer.connect(app.address) as peer:
        for _ in range(3):
            await peer.send(request(BODY, content_type=FORM))
            answer = await peer.answer()
            assert (answer.status, answer.json()["type"]) == (422, "urn:duet:problem:too-many-files")
            assert answer.json()["limit"] == 64
            await peer.send(request(PICTURES["white"]))
            assert (await peer.answer()).json()["predictions"][0]["label"] == "white"
        assert app.queue("cnn").pending == 0


async def test_too_many_files_are_rejected_before_the_body_ends(home: Path) -> None:
    async with listening_app(settings_for(home, queue_size=3)) as app, await Peer.connect(app.address) as peer:
        four = form([PICTURES["white"]] * 4)
        await peer.send(
            head(f"Content-Type: {FORM}", f"Content-Length: {10 * len(four)}") + four[: -len("\r\n--XyZ--\r\n")]
        )
        answer = await peer.answer()
        assert (answer.status, answer.json()["type"]) == (422, "urn:duet:problem:too-many-files")


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, pytest.param(2, marks=pytest.mark.full)])
async def test_ten_thousand_files_are_answered_in_order(
    home: Path, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.settings.MAX_FILES", TEN_THOUSAND)
    settings = settings_for(home, queue_size=TEN_THOUSAND, deadline_seconds=120, threads=threads)
    async with running_app(settings) as running:
        answer = await running.client.post("/predict?top_k=1", content=BODY, headers={"content-type": FORM})
        assert answer.status_code == 200
        predictions = PredictResponse.model_validate_json(answer.content).predictions
        assert [one.label for one in predictions] == LABELS
        assert [one.filename for one in predictions] == [f"{i}.png" for i in range(TEN_THOUSAND)]
        assert running.queue("cnn").pending == 0
