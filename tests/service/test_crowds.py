"""Concurrent clients over real sockets: every client gets its own response, also during promotions."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from core.repository.manifest import Precision
from core.statistics.calibration import softmax
from service.engine.arrays import Pixels
from service.engine.postprocess import Outputs
from tests.support.gates import gated
from tests.support.onnx_models import CALIBRATIONS, CLASSES, expected_logits, gray_png, write_onnx_version
from tests.support.service import ListeningApp, listening_app, set_champions, settings_for, until
from tests.support.wire import FORM, Answer, Peer, answer_on, form, request

GRAPHS: Sequence[tuple[str, Precision]] = (("cnn", "fp32"), ("cnn", "int8"), ("mlp", "fp32"))
THREADS = pytest.mark.parametrize(
    "threads", [1, pytest.param(2, marks=pytest.mark.full)], ids=["on the event loop", "on threads"]
)


async def ask(peer: Peer, grays: Sequence[int], query: str = "", *, path: str = "/predict") -> dict[str, Any]:
    """The response to images of these grays: one as a raw body, several as a form."""
    files = [gray_png(gray) for gray in grays]
    if len(files) == 1:
        await peer.send(request(files[0], path=path + query))
    else:
        await peer.send(request(form(files), content_type=FORM, path=path + query))
    answer: Answer = await peer.answer()
    assert answer.status == 200, answer.body
    parsed: dict[str, Any] = answer.json()
    return parsed


def expected_top(gray: int, *, inverted: bool, precision: Precision = "fp32") -> Any:
    probabilities_K = softmax(expected_logits(gray, precision), CALIBRATIONS[precision].temperature)
    labels = CLASSES[::-1] if inverted else CLASSES
    return pytest.approx(dict(zip(labels, probabilities_K.tolist(), strict=True)), abs=1e-4)


def top_of(prediction: dict[str, Any]) -> dict[str, float]:
    return {one["label"]: one["probability"] for one in prediction["top"]}


@THREADS
async def test_concurrent_connections_get_their_own_responses(home: Path, threads: int) -> None:
    write_onnx_version(home / "models" / "cnn" / "1", "cnn", 1, int8=True)

    async def client(app: ListeningApp, number: int) -> None:
        chance = random.Random(number)
        async with await Peer.connect(app.address) as peer:
            for _ in range(12):
                model, precision = chance.choice(GRAPHS)
                grays = [chance.randrange(256) for _ in range(chance.choice((1, 1, 1, 2, 7)))]
                answer = await ask(peer, grays, f"?model={model}&precision={precision}&top_k=5")
                for i, (gray, one) in enumerate(zip(grays, answer["predictions"], strict=True)):
                    assert (one["model"], one["precision"]) == (model, precision)
                    assert one["filename"] == (None if len(grays) == 1 else f"{i}.png")
                    assert top_of(one) == expected_top(gray, inverted=model == "mlp", precision=precision), gray
                gray = chance.randrange(256)
                both = await ask(peer, [gray], "?top_k=5", path="/compare")
                assert [one["model"] for one in both["predictions"]] == ["mlp", "cnn"]
                for one in both["predictions"]:
                    assert top_of(one) == expected_top(gray, inverted=one["model"] == "mlp"), gray

    async with listening_app(settings_for(home, threads=threads)) as app:
        await asyncio.gather(*(client(app, number) for number in range(24)))
        scraped = app.state["metrics"].render().decode()
        assert "duet_requests_rejected_total{" not in scraped
        assert 'route="/predict",status="200"} 288.0' in scraped
        batches = scraped.split('duet_batch_images_count{model="mlp",precision="fp32",version="1"} ')[1].split("\n")[0]
        images = scraped.split('duet_images_total{model="mlp",precision="fp32",version="1"} ')[1].split("\n")[0]
        assert float(batches) < float(images)  # or nothing here would have shared a batch


async def test_requests_queued_at_a_version_change_are_served(home: Path) -> None:
    """Requests that are running, partly run and queued when the new champion takes over."""
    models = home / "models"
    write_onnx_version(models / "cnn" / "2", "cnn", 2, inverted=True)
    async with listening_app(settings_for(home, threads=3, max_batch=4)) as app:
        old = app.queue("cnn")
        with gated(old) as gate:
            peers = [await Peer.connect(app.address) for _ in range(4)]
            running = asyncio.create_task(ask(peers[0], [0]))
            await gate.held()
            half_run = asyncio.create_task(ask(peers[1], [0, 255] * 5))
            await gate.held(2)
            queued = asyncio.create_task(ask(peers[2], [255]))
            await until(lambda: asyncio.sleep(0, old.pending >= 1))
            set_champions(models, cnn=2, mlp=1)
            await until(lambda: asyncio.sleep(0, app.queue("cnn") is not old))
            after = asyncio.create_task(ask(peers[3], [0]))
            await until(lambda: asyncio.sleep(0, app.queue("cnn").pending == 1))
            gate.open()
            answers = await asyncio.gather(running, half_run, queued, after)
        assert [{one["version"] for one in answer["predictions"]} for answer in answers] == [{1}, {1}, {1}, {2}]
        assert [[one["label"] for one in answer["predictions"]] for answer in answers] == [
            ["black"],
            ["black", "white"] * 5,
            ["white"],
            ["white"],
        ]
        assert old.pending == 0
        for peer in peers:
            peer.hang_up()


async def test_requests_during_a_batch_join_the_next_one(home: Path) -> None:
    async with listening_app(settings_for(home, threads=1, max_batch=4)) as app:
        others = [socket.create_connection(app.address, timeout=60) for _ in range(3)]
        await until(lambda: asyncio.sleep(0, len(app.server.server_state.connections) == 3))
        cnn = app.queue("cnn")
        run, sizes = cnn.run, list[int]()

        def run_while_others_ask(images_NHWC: Pixels) -> Outputs:
            if not sizes:
                for other in others:
                    other.sendall(request(gray_png(255)))
            sizes.append(len(images_NHWC))
            return run(images_NHWC)

        cnn.run = run_while_others_ask
        async with await Peer.connect(app.address) as peer:
            await ask(peer, [0] * 5)
        for other in others:
            with other:
                assert (await asyncio.to_thread(answer_on, other)).status == 200
    assert sizes == [4, 4]
