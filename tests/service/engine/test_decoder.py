"""Decoder: large images on threads with limits and deadlines, small images inline."""

from __future__ import annotations

import asyncio
import io
import threading
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.images.decode import DecodedImage, decode_images
from core.images.geometry import ModelInput
from service.engine import decoder as decoding
from service.engine.decoder import Decoder, Upload
from service.errors import ClientGoneError, DeadlineExceededError, QueueFullError, UnreadableImageError

FAR = 1e9
INPUT = ModelInput(8, 8, "stretch")


def upload(side: int) -> Upload:
    stream = io.BytesIO()
    pixels_HWC = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    Image.fromarray(pixels_HWC).save(stream, "PNG")
    return Upload("a.png", stream.getvalue())


LARGE, SMALL = upload(200), upload(8)


class Gate:
    """Blocks all decoding on threads until it is opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.opened = threading.Event()
        self.begun: list[int] = []

        def gated(data: bytes, inputs: Sequence[ModelInput], **options: Any) -> list[DecodedImage]:
            if len(data) > decoding.INLINE_BYTES:
                self.begun.append(len(data))
                assert self.opened.wait(30)
            return decode_images(data, inputs, **options)

        monkeypatch.setattr(decoding, "decode_images", gated)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    return Gate(monkeypatch)


@pytest.fixture
async def decoder(gate: Gate) -> AsyncIterator[Decoder]:
    made = Decoder(threads=1, max_pixels=1_000_000, queue_size=2)
    yield made
    gate.opened.set()
    made.close()


async def test_large_images_over_the_limit_are_rejected(decoder: Decoder, gate: Gate) -> None:
    waiting = [asyncio.create_task(decoder.decode(LARGE, 0, [INPUT], deadline=FAR)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(QueueFullError, match="2 images are waiting for decoding") as refused:
        await decoder.decode(LARGE, 0, [INPUT], deadline=FAR)
    assert refused.value.fields["retry_after_ms"] >= 1
    [small] = await decoder.decode(SMALL, 0, [INPUT], deadline=FAR)
    assert small.notes == ()
    gate.opened.set()
    assert [image.pixels_HWC.shape for [image] in await asyncio.gather(*waiting)] == [(8, 8, 3)] * 2
    [large] = await decoder.decode(LARGE, 0, [INPUT], deadline=FAR)
    assert large.notes == ("resized from 200x200",)


async def test_expired_image_frees_its_place(decoder: Decoder, gate: Gate) -> None:
    running = asyncio.create_task(decoder.decode(LARGE, 0, [INPUT], deadline=FAR))
    await asyncio.sleep(0)
    with pytest.raises(DeadlineExceededError):
        await decoder.decode(LARGE, 0, [INPUT], deadline=time.perf_counter() + 0.05)
    following = asyncio.create_task(decoder.decode(LARGE, 0, [INPUT], deadline=FAR))
    gate.opened.set()
    await asyncio.gather(running, following)
    assert len(gate.begun) == 2  # the late one never began


class LeavingClient:
    """Fake client that disconnects as soon as it is watched."""

    def __init__(self) -> None:
        self.futures: list[asyncio.Future[Any]] = []

    def add(self, future: asyncio.Future[Any]) -> None:
        self.futures.append(future)

    def watch(self) -> None:
        for future in self.futures:
            future.set_exception(ClientGoneError("gone"))


async def test_disconnect_frees_the_place(decoder: Decoder, gate: Gate) -> None:
    running = asyncio.create_task(decoder.decode(LARGE, 0, [INPUT], deadline=FAR))
    await asyncio.sleep(0)
    with pytest.raises(ClientGoneError):
        await decoder.decode(LARGE, 0, [INPUT], deadline=FAR, client=LeavingClient())
    gate.opened.set()
    await running
    assert len(gate.begun) == 1


async def test_damaged_large_image_names_its_file(decoder: Decoder, gate: Gate) -> None:
    gate.opened.set()
    damaged = Upload("b.png", LARGE.content[: len(LARGE.content) // 2])
    with pytest.raises(UnreadableImageError, match=r"b\.png") as raised:
        await decoder.decode(damaged, 3, [INPUT], deadline=FAR)
    assert raised.value.fields["index"] == 3
