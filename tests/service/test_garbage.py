"""Reference cycles: no request leaves objects for the cycle collector, which runs rarely."""

from __future__ import annotations

import asyncio
import gc
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest
from PIL import Image

import service
from service.engine.arrays import Pixels
from service.engine.batcher import SWEEP_SECONDS
from service.engine.postprocess import Outputs
from tests.support.frozen_objects import frozen_objects
from tests.support.gates import gated
from tests.support.onnx_models import gray_png
from tests.support.service import ListeningApp, listening_app, settings_for, until
from tests.support.wire import FORM, Peer, form, request

CODE = str(Path(service.__file__).parent)
GRAY = gray_png(0)
LIMIT = 400_000
NO_IMAGE = bytes(300_000)


def noise_png(side: int) -> bytes:
    stream = io.BytesIO()
    Image.effect_noise((side, side), 90).convert("RGB").save(stream, "PNG")
    return stream.getvalue()


LARGE = noise_png(300)
REQUESTS = {
    "an image": (request(GRAY), 200),
    "a large image": (request(LARGE), 200),
    "a form": (request(form([GRAY, LARGE]), content_type=FORM), 200),
    "a comparison": (request(GRAY, path="/compare"), 200),
    "no image": (request(NO_IMAGE), 422),
    "no image to compare": (request(NO_IMAGE, path="/compare"), 422),
    "no image in a form": (request(form([GRAY, NO_IMAGE]), content_type=FORM), 422),
    "a cut image": (request(LARGE[:-5000]), 422),
    "a cut form": (request(form([GRAY, NO_IMAGE])[:200_000], content_type=FORM), 400),
    "a form that is none": (request(NO_IMAGE, content_type=FORM), 400),
    "an empty form": (request(form([]), content_type=FORM), 422),
    "a wrong field": (request(form([GRAY]).replace(b'"file"', b'"image"'), content_type=FORM), 422),
    "too many files": (request(form([GRAY] * 65), content_type=FORM), 422),
    "too large a body": (request(bytes(LIMIT + 1)), 413),
    "another type": (request(NO_IMAGE, content_type="application/json"), 415),
    "an unknown model": (request(GRAY, path="/predict?model=vit"), 404),
    "an unknown version": (request(GRAY, path="/predict?version=9"), 404),
    "an unpublished precision": (request(GRAY, path="/predict?precision=int8"), 404),
    "an invalid parameter": (request(GRAY, path="/predict?top_k=0"), 422),
    "another address": (request(GRAY, path="/nowhere"), 404),
}


@pytest.fixture(scope="module", autouse=True)
def _frozen() -> Iterator[None]:
    with frozen_objects():
        yield


@contextmanager
def uncollected() -> Iterator[list[object]]:
    """Fill the list, at the end of the block, with the objects that only the cycle collector could free."""
    found: list[object] = []
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        yield found
    finally:
        gc.collect()
        gc.set_debug(0)
        gc.enable()
        found += gc.garbage
        gc.garbage.clear()


async def ask(app: ListeningApp, whole: bytes) -> int:
    async with await Peer.connect(app.address) as peer:
        await peer.send(whole)
        status = (await peer.answer()).status
    await until_forgotten(app, 0)
    return status


async def until_forgotten(app: ListeningApp, others: int) -> None:
    """Wait until only the requests of `others` are in progress and no sweep refers to finished ones."""
    state = app.server.server_state
    await until(lambda: asyncio.sleep(0, len(state.tasks) == len(state.connections) == others))
    await asyncio.sleep(3 * SWEEP_SECONDS)


@pytest.mark.parametrize("name", REQUESTS)
async def test_completed_request_is_freed(home: Path, name: str) -> None:
    whole, status = REQUESTS[name]
    async with listening_app(settings_for(home, threads=1, poll_seconds=60, max_body_bytes=LIMIT)) as app:
        assert await ask(app, whole) == status  # what is made once, and stays, is made here
        with uncollected() as found:
            assert await ask(app, whole) == status
    assert_clean(found)


def assert_clean(found: list[object]) -> None:
    frames = {each.f_code for each in found if isinstance(each, FrameType)}
    assert not [code.co_qualname for code in frames if CODE in code.co_filename]
    assert not [each for each in found if isinstance(each, bytes | bytearray) and len(each) > 1000]


@pytest.mark.parametrize("path", ["/predict", "/compare"])
async def test_expired_request_is_freed(home: Path, path: str) -> None:
    settings = settings_for(home, threads=2, poll_seconds=60, deadline_seconds=0.05)
    async with listening_app(settings) as app:
        with gated(app.queue("cnn")) as gate:
            for _ in range(2):
                assert await ask(app, request(LARGE)) == 504
            await gate.held(2)
            with uncollected() as found:
                assert await ask(app, request(LARGE, path=path)) == 504
    assert_clean(found)


@pytest.mark.parametrize("path", ["/predict", "/compare"])
async def test_disconnected_request_is_freed(home: Path, path: str) -> None:
    async with listening_app(settings_for(home, threads=2, poll_seconds=60)) as app:
        cnn = app.queue("cnn")
        with gated(cnn) as gate:
            staying = [await Peer.connect(app.address) for _ in range(2)]
            for peer in staying:
                await peer.send(request(GRAY))
                await gate.held()
            with uncollected() as found:
                async with await Peer.connect(app.address) as leaving:
                    await leaving.send(request(LARGE, path=path))
                    await until(lambda: asyncio.sleep(0, cnn.pending == 1))
                await until_forgotten(app, 2)
            gate.open()
            for peer in staying:
                assert (await peer.answer()).status == 200
                peer.hang_up()
    assert_clean(found)


@pytest.mark.parametrize("path", ["/predict", "/compare"])
@pytest.mark.parametrize("threads", [1, pytest.param(2, marks=pytest.mark.full)])
async def test_failed_request_is_freed(home: Path, path: str, threads: int) -> None:
    def fails(_: Pixels) -> Outputs:
        raise MemoryError("no room")

    async with listening_app(settings_for(home, threads=threads, poll_seconds=60)) as app:
        app.queue("cnn").run = fails
        assert await ask(app, request(LARGE, path=path)) == 500
        with uncollected() as found:
            assert await ask(app, request(LARGE, path=path)) == 500
    assert_clean(found)
