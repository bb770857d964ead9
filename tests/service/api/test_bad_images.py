"""Unusual and damaged images: a prediction with notes, or a problem. tests/core/images has all kinds of images."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from tests.support.onnx_models import gray_png
from tests.support.problems import assert_problem
from tests.support.service import RunningApp

pytestmark = pytest.mark.asyncio(loop_scope="module")
RAW = {"content-type": "application/octet-stream"}


def encoded(image: Image.Image, image_format: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, image_format, **options)
    return stream.getvalue()


def png_header(width: int, height: int) -> bytes:
    """The start of a PNG of this size, with almost no pixel data."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(bytes(100)))


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def half_dark(width: int = 64, height: int = 32) -> Image.Image:
    """White on the left, black on the right."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : width // 2] = 255
    return Image.fromarray(pixels)


@pytest.mark.parametrize(
    ("content", "status", "slug"),
    [
        pytest.param(b"this is no image", 422, "unreadable-image", id="not an image"),
        pytest.param(gray_png(64, 64)[:-30], 422, "unreadable-image", id="truncated PNG"),
        pytest.param(encoded(half_dark(), "JPEG")[:400], 422, "unreadable-image", id="truncated JPEG"),
        pytest.param(png_header(20_000, 20_000), 422, "too-many-pixels", id="20,000 x 20,000"),
        pytest.param(b"%PDF-1.7 and so on", 415, "unsupported-image-format", id="a PDF"),
        pytest.param(b"", 422, "no-image", id="empty"),
    ],
)
async def test_non_image_is_refused(shared: RunningApp, content: bytes, status: int, slug: str) -> None:
    assert_problem(await shared.client.post("/predict", content=content, headers=RAW), status, slug)
    assert_problem(await shared.client.post("/compare", content=content, headers=RAW), status, slug)


async def test_empty_form_file_is_refused_by_name(shared: RunningApp) -> None:
    files = [("file", ("good.png", gray_png(64))), ("file", ("empty.png", b""))]
    problem = assert_problem(await shared.client.post("/predict", files=files), 422, "unreadable-image")
    assert (problem["filename"], problem["index"]) == ("empty.png", 1)
    assert "empty.png" in problem["detail"]


async def test_images_of_one_request_share_a_pixel_budget(shared: RunningApp) -> None:
    image = encoded(Image.new("RGB", (1000, 1000), (64,) * 3), "PNG")
    allowed, too_many = ([("file", (f"{number}.png", image)) for number in range(count)] for count in (2, 3))
    answer = await shared.client.post("/predict", files=allowed)
    assert len(answer.json()["predictions"]) == 2
    problem = assert_problem(await shared.client.post("/predict", files=too_many), 422, "too-many-pixels")
    assert "2 megapixels" in problem["detail"]
    assert problem["index"] == 2


async def test_pixel_limit_follows_the_setting(shared: RunningApp) -> None:
    allowed, too_many = (encoded(Image.new("RGB", (side, side), (64,) * 3), "PNG") for side in (1000, 1001))
    assert len(allowed) < 16 * 1024
    answer = await shared.client.post("/predict", content=allowed, headers=RAW)
    assert answer.json()["predictions"][0]["label"] == "dark"
    assert_problem(await shared.client.post("/predict", content=too_many, headers=RAW), 422, "too-many-pixels")


@pytest.mark.parametrize(
    ("content", "label", "note"),
    [
        pytest.param(
            encoded(Image.new("CMYK", (8, 8), (0, 0, 0, 255)), "JPEG", quality=95), "black", "CMYK", id="CMYK"
        ),
        pytest.param(encoded(Image.new("L", (8, 8), 128), "PNG"), "grey", None, id="8-bit gray"),
        pytest.param(
            encoded(
                Image.new("RGB", (8, 8), (255,) * 3),
                "GIF",
                save_all=True,
                append_images=[Image.new("RGB", (8, 8))],
            ),
            "white",
            "first of 2 frames",
            id="animated",
        ),
    ],
)
async def test_unusual_image_is_predicted_with_notes(
    shared: RunningApp, content: bytes, label: str, note: str | None
) -> None:
    answer = await shared.client.post("/predict", content=content, headers=RAW)
    assert answer.status_code == 200, answer.text
    [prediction] = answer.json()["predictions"]
    assert prediction["label"] == label
    if note is not None:
        assert note in "; ".join(prediction["notes"])
