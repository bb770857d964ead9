"""Abandoned explanations free their slots and leak nothing."""

from __future__ import annotations

import asyncio
import gc
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.schemas.api import CompareResponse, SaliencyResponse
from service.engine.decoder import Upload
from service.saliency.explainer import Explainer, Explanation
from service.saliency.methods import Subject
from service.saliency.runs import Runs
from tests.support.frozen_objects import frozen_objects
from tests.support.gates import Gate, gated
from tests.support.gradient_graphs import write_explainable
from tests.support.onnx_models import gray_png
from tests.support.service import ListeningApp, listening_app, settings_for, until
from tests.support.wire import Peer, head, request

IMAGE = gray_png(0)
PATHS = (
    "/saliency?method=saliency,integrated_gradients&format=json",
    "/saliency?method=occlusion&format=png",
    "/compare?models=cnn,mlp&saliency=smoothgrad",
)
NEXT = "/saliency?method=saliency,integrated_gradients,occlusion&format=json"


@pytest.fixture
async def listening(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ListeningApp]:
    """The app with models on threads, one of them for explanations, and a limit of two explanations."""
    monkeypatch.setattr("service.app.MAX_EXPLANATIONS", 2)
    write_explainable(tmp_path)
    async with listening_app(settings_for(tmp_path, threads=2)) as app:
        yield app


@dataclass
class Scene:
    """A client that disconnects, and a model whose runs are blocked."""

    app: ListeningApp
    gate: Gate
    client: Peer
    path: str

    @property
    def explainer(self) -> Explainer:
        return self.app.state["explainer"]

    async def until_its_route_reads(self) -> None:
        await until(lambda: asyncio.sleep(0, len(self.app.server.server_state.tasks) > 0))

    async def until_taken(self, count: int) -> None:
        await until(lambda: asyncio.sleep(0, self.explainer._running == count))


Stage = Callable[[Scene], Awaitable[Peer | None]]


async def before_its_body(scene: Scene) -> None:
    await scene.client.send(head("Content-Type: image/png", f"Content-Length: {len(IMAGE)}", path=scene.path))
    await scene.until_its_route_reads()


async def in_its_body(scene: Scene) -> None:
    await scene.client.send(request(IMAGE, path=scene.path)[: -len(IMAGE) // 2])
    await scene.until_its_route_reads()


async def while_its_model_runs(scene: Scene) -> None:
    await scene.client.send(request(IMAGE, path=scene.path))
    await scene.gate.held()


async def while_another_is_explained(scene: Scene) -> Peer:
    other = await Peer.connect(scene.app.address)
    await other.send(request(IMAGE, path=NEXT))
    await scene.gate.held()
    await scene.client.send(request(IMAGE, path=scene.path))
    await scene.until_taken(2)
    return other


STAGES: tuple[Stage, ...] = (before_its_body, in_its_body, while_its_model_runs, while_another_is_explained)


async def explained(app: ListeningApp) -> None:
    """A request of every kind is answered."""
    async with await Peer.connect(app.address) as peer:
        await peer.send(request(IMAGE, path=NEXT))
        answer = await peer.answer()
        assert answer.status == 200, answer.body
        assert SaliencyResponse.model_validate_json(answer.body).predicted == "black"
        await peer.send(request(IMAGE, path=PATHS[2]))
        answer = await peer.answer()
        assert answer.status == 200, answer.body
        assert CompareResponse.model_validate_json(answer.body).saliency
        await peer.send(request(IMAGE))
        assert (await peer.answer()).json()["predictions"][0]["label"] == "black"


Leftovers = Callable[[], list[object]]


@pytest.fixture(scope="module", autouse=True)
def _frozen() -> Iterator[None]:
    with frozen_objects():
        yield


@pytest.fixture
def leftovers() -> Iterator[Leftovers]:
    """Objects of explanations that were created since the start of the test and still exist.

    The cycle collector is disabled, so objects in reference cycles count as leaks.
    """
    gc.collect()
    gc.disable()
    before = explaining()
    kept = {id(each) for each in before}
    yield lambda: [each for each in explaining() if id(each) not in kept]
    gc.enable()


def explaining() -> list[object]:
    """All existing objects of the classes that explanations use."""
    # By type: isinstance asks an object for its class, which deprecated stand-ins of other libraries warn of.
    return [each for each in gc.get_objects() if issubclass(type(each), Runs | Subject | Explanation | Upload)]


async def until_there_are_none(leftovers: Leftovers) -> None:
    """Wait until no such object is left; a thread releases its work shortly after passing on the result."""
    try:
        async with asyncio.timeout(10):
            await until(lambda: asyncio.sleep(0, not leftovers()))
    except TimeoutError:
        assert leftovers() == []


@pytest.mark.parametrize(("path", "rudely"), [*((path, False) for path in PATHS), (PATHS[0], True)])
@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.__name__)
async def test_disconnect_at_any_stage_leaves_nothing_behind(
    listening: ListeningApp,
    stage: Stage,
    path: str,
    rudely: bool,
    leftovers: Leftovers,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", logger="duet.access")
    state = listening.server.server_state
    with gated(listening.queue("cnn")) as gate:
        scene = Scene(listening, gate, await Peer.connect(listening.address), path)
        other = await stage(scene)
        scene.client.hang_up(rudely=rudely)
        left = 1 if other else 0

        async def is_gone() -> bool:
            return len(state.connections) == len(state.tasks) == scene.explainer._running == left

        await until(is_gone)
        scene.explainer.check_capacity()
        gate.open()
        if other:
            assert (await other.answer()).status == 200
            other.hang_up()
    await explained(listening)
    assert scene.explainer._running == 0
    await until_there_are_none(leftovers)
    assert len([message for message in caplog.messages if message.endswith(" 499")]) == 1
    assert not [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")]
    scraped = listening.state["metrics"].render().decode()
    assert len(re.findall(r'duet_requests_rejected_total{[^}]*reason="client-gone"[^}]*} 1.0', scraped)) == 1


@pytest.mark.parametrize("path", PATHS)
async def test_deadline_gives_504_and_frees_the_slot(
    tmp_path: Path,
    path: str,
    leftovers: Leftovers,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("service.app.MAX_EXPLANATIONS", 1)
    write_explainable(tmp_path)
    settings = settings_for(tmp_path, threads=2, deadline_seconds=1.0)
    async with listening_app(settings) as app:
        await explained(app)
        with gated(app.queue("cnn")):
            async with await Peer.connect(app.address) as peer:
                # The second one finds the place of the first, whose model still runs; else it would be 429.
                for _ in range(2):
                    await peer.send(request(IMAGE, path=path))
                    answer = await peer.answer()
                    assert (answer.status, answer.json()["type"]) == (504, "urn:duet:problem:deadline-exceeded")
            assert app.state["explainer"]._running == 0
        await explained(app)
        await until_there_are_none(leftovers)
    assert not [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")]


async def test_explanation_on_the_loop_ends_with_deadline_and_client(
    tmp_path: Path, leftovers: Leftovers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.app.MAX_EXPLANATIONS", 1)
    monkeypatch.setattr("service.api.deps.MAX_EVALUATIONS", 1_000)
    write_explainable(tmp_path)
    settings = settings_for(tmp_path, threads=1, deadline_seconds=0.4)
    long = (
        "/saliency?method=integrated_gradients,smoothgrad,occlusion&steps=64&samples=64&window=1&stride=1&format=json"
    )
    async with listening_app(settings) as app:
        await explained(app)
        explainer = app.state["explainer"]
        real, made = explainer.in_background, 0

        async def slowly(call: Callable[[], object]) -> object:
            nonlocal made
            made += 1
            await asyncio.sleep(0.02)
            return await real(call)

        explainer.in_background = lambda call: asyncio.ensure_future(slowly(call))  # type: ignore[assignment]
        async with await Peer.connect(app.address) as peer:
            await peer.send(request(IMAGE, path=long))
            assert (await peer.answer()).status == 504
        async with await Peer.connect(app.address) as peer:
            await peer.send(request(IMAGE, path=long))
            await until(lambda: asyncio.sleep(0, explainer._running == 1))
            peer.hang_up()
            await until(lambda: asyncio.sleep(0, explainer._running == 0))
        explainer.in_background = real
        before = made
        await explained(app)
        assert made == before
        await until_there_are_none(leftovers)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/saliency?model=mlp&method=grad_cam", 422),
        ("/compare?saliency=grad_cam", 422),
        ("/saliency?version=2", 409),
        ("/saliency?target=tiger", 422),
        ("/compare?saliency=saliency&target=tiger", 422),
    ],
)
async def test_rejected_explanation_leaves_nothing_behind(
    listening: ListeningApp, path: str, status: int, leftovers: Leftovers
) -> None:
    async with await Peer.connect(listening.address) as peer:
        await peer.send(request(IMAGE, path=path))
        assert (await peer.answer()).status == status
        await peer.send(request(b"no image", path=path))
        assert (await peer.answer()).status in (status, 422)
    assert listening.state["explainer"]._running == 0
    await explained(listening)
    await until_there_are_none(leftovers)


async def test_disconnect_of_all_clients_frees_their_slots(tmp_path: Path, leftovers: Leftovers) -> None:
    write_explainable(tmp_path)
    async with listening_app(settings_for(tmp_path, threads=2)) as app:
        explainer = app.state["explainer"]
        with gated(app.queue("cnn")) as gate:
            for _ in range(3):
                crowd = [await Peer.connect(app.address) for _ in range(8)]
                for i, peer in enumerate(crowd):
                    await peer.send(request(IMAGE, path=PATHS[i % 2]))
                await until(lambda: asyncio.sleep(0, explainer._running == 8))
                async with await Peer.connect(app.address) as late:
                    await late.send(request(IMAGE, path=NEXT))
                    refused = await late.answer()
                    assert refused.status == 429
                    assert int(refused.headers["retry-after"]) >= 1
                for i, peer in enumerate(crowd):
                    peer.hang_up(rudely=i % 2 == 0)
                await until(lambda: asyncio.sleep(0, explainer._running == 0))
            # Of all those, one had begun: the others were never run for nobody.
            assert gate.batches == [1]
        await explained(app)
        await until_there_are_none(leftovers)
