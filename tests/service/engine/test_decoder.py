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
from service.engine.decoder_pool import DecoderPool
from service.errors import (
    ClientGoneError,
    DeadlineExceededError,
    NotReadyError,
    QueueFullError,
    TooManyPixelsWaitingError,
    UnreadableImageError,
)
from tests.support.pictures import encode

FAR = 1e9
INPUT = ModelInput(8, 8, "stretch")


def upload(side: int) -> Upload:
    stream = io.BytesIO()
    pixels_HWC = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    Image.fromarray(pixels_HWC).save(stream, "PNG")
    return Upload("a.png", stream.getvalue())


LARGE_SIDE = 200
LARGE, SMALL = upload(LARGE_SIDE), upload(8)


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

    caller = "192.0.2.1"

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


class StayingClient:
    """Fake client that stays connected."""

    def __init__(self, address: str) -> None:
        self.caller = address

    def add(self, future: asyncio.Future[Any]) -> None:
        pass

    def watch(self) -> None:
        pass


async def test_clients_take_turns(gate: Gate) -> None:
    decoder = Decoder(threads=1, max_pixels=1_000_000, queue_size=8)
    uploads = [upload(side) for side in (200, 210, 220, 230)]
    crowd, other = StayingClient("192.0.2.1"), StayingClient("192.0.2.2")
    clients = [crowd, crowd, crowd, other]
    waiting = [
        asyncio.create_task(decoder.decode(each, 0, [INPUT], deadline=FAR, client=client))
        for each, client in zip(uploads, clients, strict=True)
    ]
    await asyncio.sleep(0)
    gate.opened.set()
    await asyncio.gather(*waiting)
    decoder.close()
    assert [len(uploads[index].content) for index in (0, 1, 3, 2)] == gate.begun


async def test_full_queue_rejects_the_client_with_the_most_images(gate: Gate) -> None:
    decoder = Decoder(threads=1, max_pixels=1_000_000, queue_size=4)
    crowd, other = StayingClient("192.0.2.1"), StayingClient("192.0.2.2")
    first, *waiting = [
        asyncio.create_task(decoder.decode(LARGE, 0, [INPUT], deadline=FAR, client=crowd)) for _ in range(4)
    ]
    await asyncio.sleep(0)
    honest = asyncio.create_task(decoder.decode(LARGE, 0, [INPUT], deadline=FAR, client=other))
    await asyncio.sleep(0)
    with pytest.raises(QueueFullError):
        await waiting.pop()
    with pytest.raises(QueueFullError):
        await decoder.decode(LARGE, 0, [INPUT], deadline=FAR, client=crowd)
    gate.opened.set()
    assert len(await asyncio.gather(first, *waiting, honest)) == 4
    decoder.close()


async def test_waiting_pixels_are_limited_for_all_clients(gate: Gate) -> None:
    decoder = Decoder(threads=1, max_pixels=LARGE_SIDE**2, queue_size=96)
    crowd, other = StayingClient("192.0.2.1"), StayingClient("192.0.2.2")
    waiting = [
        asyncio.create_task(decoder.decode(LARGE, 0, [INPUT], deadline=FAR, client=crowd))
        for _ in range(decoding.WAITING_IMAGES)
    ]
    await asyncio.sleep(0)
    with pytest.raises(TooManyPixelsWaitingError, match=r"0\.64 megapixels are waiting .* limit .* 0\.64") as refused:
        await decoder.decode(LARGE, 0, [INPUT], deadline=FAR, client=crowd)
    assert refused.value.fields["retry_after_ms"] >= 1
    honest = asyncio.create_task(decoder.decode(LARGE, 0, [INPUT], deadline=FAR, client=other))
    await asyncio.sleep(0)
    with pytest.raises(TooManyPixelsWaitingError):
        await waiting.pop()
    gate.opened.set()
    assert len(await asyncio.gather(*waiting, honest)) == decoding.WAITING_IMAGES
    decoder.close()


async def test_image_is_killed_at_its_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()

    def endless(_: DecoderPool, *arguments: object, until: float, **options: object) -> list[DecodedImage]:
        time.sleep(max(0.0, until - time.perf_counter()))
        ended.set()
        raise TimeoutError

    monkeypatch.setattr(DecoderPool, "decode", endless)
    decoder = Decoder(threads=1, max_pixels=1_000_000, queue_size=8)
    webp = Upload(None, encode(Image.new("RGB", (8, 8)), "WEBP"))
    with pytest.raises(DeadlineExceededError):
        await decoder.decode(webp, 0, [INPUT], deadline=time.perf_counter() + 0.05)
    assert await asyncio.to_thread(ended.wait, 60)
    [image] = await decoder.decode(LARGE, 0, [INPUT], deadline=FAR)  # the thread is free again
    assert image.original_size == (LARGE_SIDE, LARGE_SIDE)
    decoder.close()


async def test_process_that_cannot_be_started_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object, **options: object) -> None:
        raise OSError("no memory")

    monkeypatch.setattr(DecoderPool, "decode", failing)
    decoder = Decoder(threads=1, max_pixels=1_000_000, queue_size=8)
    webp = Upload(None, encode(Image.new("RGB", (8, 8)), "WEBP"))
    with pytest.raises(NotReadyError, match="cannot be decoded at the moment"):
        await decoder.decode(webp, 0, [INPUT], deadline=FAR)
    decoder.close()


@pytest.mark.parametrize(
    ("content", "where"),
    [
        (encode(Image.new("RGB", (8, 8)), "PNG"), "event loop"),
        (encode(Image.new("RGB", (8, 8)), "JPEG"), "event loop"),
        (encode(Image.new("RGB", (65, 65)), "PNG"), "thread"),
        (encode(Image.new("RGB", (1_000, 1_000)), "JPEG"), "thread"),
        (encode(Image.new("RGB", (1_000, 1_001)), "JPEG"), "process"),
        (encode(Image.new("RGB", (8, 8)), "JPEG", progressive=True), "process"),
        (encode(Image.new("RGB", (8, 8)), "WEBP"), "process"),
        (encode(Image.new("RGB", (8, 8)), "TIFF"), "process"),
        (encode(Image.new("RGB", (8, 8)), "GIF"), "process"),
    ],
)
async def test_place_of_decoding_depends_on_the_cost(
    content: bytes, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    places: list[str] = []

    def here(*arguments: Any, **options: Any) -> list[DecodedImage]:
        places.append("event loop" if threading.current_thread() is threading.main_thread() else "thread")
        return decode_images(*arguments, **options)

    def in_process(_: DecoderPool, *arguments: Any, until: float, **options: Any) -> list[DecodedImage]:
        places.append("process")
        return decode_images(*arguments, **options)

    monkeypatch.setattr(decoding, "decode_images", here)
    monkeypatch.setattr(DecoderPool, "decode", in_process)
    decoder = Decoder(threads=1, max_pixels=2_000_000, queue_size=1)
    await decoder.decode(Upload(None, content), 0, [INPUT], deadline=FAR)
    decoder.close()
    assert places == [where]


async def test_damaged_large_image_names_its_file(decoder: Decoder, gate: Gate) -> None:
    gate.opened.set()
    damaged = Upload("b.png", LARGE.content[: len(LARGE.content) // 2])
    with pytest.raises(UnreadableImageError, match=r"b\.png") as raised:
        await decoder.decode(damaged, 3, [INPUT], deadline=FAR)
    assert raised.value.fields["index"] == 3
