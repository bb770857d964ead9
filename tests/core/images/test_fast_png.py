"""Fast PNG decoding: the pixels equal those of Pillow, and other files are left to Pillow."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from core.errors import ImageError
from core.images import decode
from core.images.decode import decode_image
from core.images.fast_png import MAX_BYTES, decode_plain_png

HEIGHT, WIDTH = 24, 40
Pixels = npt.NDArray[np.uint8]


def random_image(seed: int = 31) -> Pixels:
    """An image with smooth and noisy parts, so that encoders choose every row filter."""
    draw = np.random.default_rng(seed)
    slope_HWC = np.add.outer(np.arange(HEIGHT) * 4, np.arange(WIDTH) * 3)[..., None] + np.array([0, 40, 90])
    noise_HWC = draw.integers(0, 1 + seed % 60, (HEIGHT, WIDTH, 3))
    pixels: Pixels = (slope_HWC + noise_HWC).astype(np.uint8)
    return pixels


def png(pixels: Pixels, **options: object) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", **options)
    return stream.getvalue()


def chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    found, start = [], 8
    while start < len(data):
        (length,) = struct.unpack_from(">I", data, start)
        found.append((data[start + 4 : start + 8], data[start + 8 : start + 8 + length]))
        start += 12 + length
    return found


def joined(parts: list[tuple[bytes, bytes]]) -> bytes:
    written = [
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in parts
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(written)


def plain(data: bytes) -> Pixels | None:
    return decode_plain_png(data, height=HEIGHT, width=WIDTH)


@given(seed=st.integers(0, 10_000), level=st.integers(0, 9), optimize=st.booleans())
def test_plain_png_decodes_to_the_encoded_pixels(seed: int, level: int, optimize: bool) -> None:
    pixels = random_image(seed)
    decoded = plain(png(pixels, compress_level=level, optimize=optimize))
    assert decoded is not None
    assert decoded.dtype == np.uint8
    assert not decoded.flags.writeable
    np.testing.assert_array_equal(decoded, pixels)


def test_pixels_in_several_chunks() -> None:
    header, data, end = chunks(png(random_image()))
    parts = [(b"IDAT", data[1][start : start + 100]) for start in range(0, len(data[1]), 100)]
    assert len(parts) > 3
    np.testing.assert_array_equal(plain(joined([header, *parts, end])), random_image())


def with_chunk(kind: bytes, body: bytes) -> bytes:
    header, *rest = chunks(png(random_image()))
    return joined([header, (kind, body), *rest])


def interlaced() -> bytes:
    data = bytearray(png(random_image()))
    data[28] = 1
    data[29:33] = struct.pack(">I", zlib.crc32(bytes(data[12:29])))
    return bytes(data)


@pytest.mark.parametrize(
    "make",
    [
        lambda: png(random_image()[:, :-1]),
        lambda: png(random_image()[..., 0]),
        lambda: png(np.dstack([random_image(), random_image()[..., :1]])),
        lambda: png(random_image(), dpi=(72, 72)),
        lambda: with_chunk(b"tRNS", bytes(6)),
        lambda: with_chunk(b"eXIf", b"II*\0\x08\0\0\0\0\0\0\0\0\0"),
        lambda: png(random_image()) + b"more",
        interlaced,
        lambda: b"",
        lambda: b"\x89PNG\r\n\x1a\n",
        lambda: png(random_image())[:45],
    ],
    ids=["size", "grey", "alpha", "dpi", "transparent", "exif", "more", "interlaced", "empty", "signature", "cut"],
)
def test_other_png_kinds_fall_back_to_pillow(make: Callable[[], bytes]) -> None:
    assert plain(make()) is None


def test_large_file_falls_back_to_pillow() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3)).astype(np.uint8)
    data = png(noise)
    assert len(data) > MAX_BYTES
    assert decode_plain_png(data, height=200, width=200) is None


@given(place=st.integers(8, 3000), value=st.integers(1, 255))
def test_damaged_byte_falls_back_to_pillow(place: int, value: int) -> None:
    data = bytearray(png(random_image()))
    data[place % len(data)] ^= value

    def outcome() -> bytes | str:
        try:
            return decode_image(bytes(data), height=HEIGHT, width=WIDTH).pixels_HWC.tobytes()
        except ImageError as error:
            return type(error).__name__

    ours = outcome()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decode, "decode_plain_png", lambda *_args, **_sizes: None)
        assert ours == outcome()


@pytest.mark.parametrize("keep", range(0, 200, 7))
def test_truncated_pixels_fall_back_to_pillow(keep: int) -> None:
    """The checksums are valid, so only inflating the data shows that rows are missing."""
    header, data, end = chunks(png(random_image()))
    short = joined([header, (b"IDAT", data[1][:keep]), end])
    assert plain(short) is None
    with pytest.raises(ImageError):
        decode_image(short, height=HEIGHT, width=WIDTH)


def test_pixel_limit_applies_to_plain_png() -> None:
    with pytest.raises(ImageError, match="40x24"):
        decode_image(png(random_image()), height=HEIGHT, width=WIDTH, max_pixels=HEIGHT * WIDTH - 1)


def test_wrong_zlib_checksum_is_ignored() -> None:
    header, data, end = chunks(png(random_image()))
    wrong = data[1][:-1] + bytes([data[1][-1] ^ 1])
    np.testing.assert_array_equal(plain(joined([header, (b"IDAT", wrong), end])), random_image())
