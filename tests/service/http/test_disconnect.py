"""Client disconnects: queue places are freed, nothing leaks, and the next request is served."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.gates import Gate, gated
from tests.support.onnx_models import gray_png
from tests.support.service import ListeningApp, listening_app, settings_for, until
from tests.support.wire import FORM, Peer, form, head, request

IMAGE = gray_png(0)


@dataclass
class Scene:
    """A client that disconnects, a blocked model, and other clients whose requests occupy every thread."""

    app: ListeningApp
    gate: Gate
    client: Peer
    staying: list[Peer] = field(default_factory=list)

    async def occupy_threads(self) -> None:
        for _ in range(2):
            other = await Peer.connect(self.app.address)
            self.staying.append(other)
            await other.send(request(IMAGE))
            await self.gate.held()

    async def until_its_route_reads(self) -> None:
        await until(lambda: asyncio.sleep(0, len(self.app.server.server_state.tasks) > 0))


Stage = Callable[[Scene], Awaitable[None]]


async def before_a_word(scene: Scene) -> None:
    await until(lambda: asyncio.sleep(0, len(scene.app.server.server_state.connections) > 0))


async def in_its_head(scene: Scene) -> None:
    await scene.client.send(request(IMAGE)[:30])


async def before_its_body(scene: Scene) -> None:
    await scene.client.send(head("Content-Type: image/png", f"Content-Length: {len(IMAGE)}"))
    await scene.until_its_route_reads()


async def in_its_body(scene: Scene) -> None:
    await scene.client.send(request(IMAGE)[: -len(IMAGE) // 2])
    await scene.until_its_route_reads()


async def in_its_form(scene: Scene) -> None:
    await scene.client.send(request(form([IMAGE, IMAGE]), content_type=FORM)[: -len(IMAGE) // 2])
    await scene.until_its_route_reads()


async def while_it_is_queued(scene: Scene) -> None:
    await scene.occupy_threads()
    await scene.client.send(request(IMAGE))
    await until(lambda: asyncio.sleep(0, scene.gate.queue.pending == 1))


async def while_its_form_is_queued(scene: Scene) -> None:
    await scene.occupy_threads()
    await scene.client.send(request(form([IMAGE] * 3), content_type=FORM))
    await until(lambda: asyncio.sleep(0, scene.gate.queue.pending == 3))


async def while_it_is_compared(scene: Scene) -> None:
    await scene.occupy_threads()
    await scene.client.send(request(IMAGE, path="/compare"))
    await until(lambda: asyncio.sleep(0, scene.gate.queue.pending == scene.app.queue("mlp").pending == 1))


async def while_it_runs(scene: Scene) -> None:
    await scene.client.send(request(IMAGE))
    await scene.gate.held()


NO_REQUEST_YET = (before_a_word, in_its_head)
STAGES: tuple[Stage, ...] = (
    *NO_REQUEST_YET,
    before_its_body,
    in_its_body,
    in_its_form,
    while_it_is_queued,
    while_its_form_is_queued,
    while_it_is_compared,
    while_it_runs,
)


@pytest.fixture
async def listening(home: Path) -> AsyncIterator[ListeningApp]:
    async with listening_app(settings_for(home, threads=2)) as app:
        yield app


async def label_for(app: ListeningApp) -> str:
    async with await Peer.connect(app.address) as peer:
        await peer.send(request(IMAGE))
        label: str = (await peer.answer()).json()["predictions"][0]["label"]
        return label


@pytest.mark.parametrize("rudely", [False, True], ids=["in order", "by a reset"])
@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.__name__)
async def test_disconnect_at_any_stage_leaves_nothing_behind(
    listening: ListeningApp, stage: Stage, rudely: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="duet.access")
    state, queues = listening.server.server_state, [listening.queue(family) for family in ("cnn", "mlp")]
    with gated(listening.queue("cnn")) as gate:
        scene = Scene(listening, gate, await Peer.connect(listening.address))
        await stage(scene)
        scene.client.hang_up(rudely=rudely)

        async def is_gone() -> bool:
            left = len(scene.staying)
            return len(state.connections) == len(state.tasks) == left and not any(queue.pending for queue in queues)

        await until(is_gone)
        gate.open()
        for other in scene.staying:
            assert (await other.answer()).json()["predictions"][0]["label"] == "black"
            other.hang_up()
        assert gate.batches == ([1, 1] if scene.staying else [1] if stage is while_it_runs else [])
    assert await label_for(listening) == "black"
    gone = [message for message in caplog.messages if message.endswith(" 499")]
    assert len(gone) == (0 if stage in NO_REQUEST_YET else 1)
    assert not [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")]
    scraped = listening.state["metrics"].render().decode()
    assert len(re.findall(r'duet_requests_rejected_total{[^}]*reason="client-gone"[^}]*} 1.0', scraped)) == bool(gone)


async def test_disconnect_of_a_full_queue_frees_its_places(home: Path) -> None:
    async with listening_app(settings_for(home, threads=2, queue_size=64)) as app:
        cnn = app.queue("cnn")
        with gated(cnn) as gate:
            scene = Scene(app, gate, await Peer.connect(app.address))
            await scene.occupy_threads()
            crowd = [await Peer.connect(app.address) for _ in range(64)]
            for peer in crowd:
                await peer.send(request(IMAGE))
            await until(lambda: asyncio.sleep(0, cnn.pending == 64))
            await scene.client.send(request(IMAGE))
            assert (await scene.client.answer()).status == 429
            for peer in crowd:
                peer.hang_up()
            await until(lambda: asyncio.sleep(0, cnn.pending == 0))
            await scene.client.send(request(IMAGE))
            await until(lambda: asyncio.sleep(0, cnn.pending == 1))
            gate.open()
            for peer in (*scene.staying, scene.client):
                assert (await peer.answer()).status == 200
                peer.hang_up()
        assert gate.batches == [1, 1, 1]


async def test_disconnect_during_a_run_on_the_loop_affects_no_other(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with listening_app(settings_for(home, threads=1)) as app:
        for _ in range(5):
            crowd = [await Peer.connect(app.address) for _ in range(10)]
            for peer in crowd:
                await peer.send(request(IMAGE))
            for i, peer in enumerate(crowd[::2]):
                peer.hang_up(rudely=i % 2 == 0)
            for peer in crowd[1::2]:
                assert (await peer.answer()).json()["predictions"][0]["label"] == "black"
                peer.hang_up()
        state = app.server.server_state
        await until(lambda: asyncio.sleep(0, not state.connections and not state.tasks))
        assert app.queue("cnn").pending == 0
        assert await label_for(app) == "black"
    assert not [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")]


async def test_client_that_never_reads_blocks_no_other(listening: ListeningApp) -> None:
    async with await Peer.connect(listening.address) as deaf:
        for _ in range(200):
            await deaf.send(request(IMAGE))
        assert await label_for(listening) == "black"
        for _ in range(200):
            assert (await deaf.answer()).status == 200
