"""Color mode conversion: every pixel type becomes the 8-bit RGB that a viewer shows, with a note on the conversion."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from core.errors import UnsupportedImageError
from core.images.decode import DecodedImage, decode_image
from tests.support.pictures import encode, png

WHITE, BLACK = (255, 255, 255), (0, 0, 0)
FLATTENED = "transparency flattened on white"


def decoded(data: bytes, width: int = 2, height: int = 1) -> DecodedImage:
    return decode_image(data, height=height, width=width)


def pixels(result: DecodedImage) -> list[tuple[int, ...]]:
    return [tuple(int(sample) for sample in pixel) for pixel in result.pixels_HWC.reshape(-1, 3)]


def tiff(samples: npt.NDArray[Any], photometric: int, sample_format: int = 1, extra: int | None = None) -> bytes:
    """An uncompressed TIFF of one strip, samples [H, W] or [H, W, C], in the byte order of their dtype."""
    big = samples.dtype.byteorder == ">"
    order = ">" if big else "<"
    height, width = samples.shape[:2]
    channels = samples.shape[2] if samples.ndim == 3 else 1
    strip = samples.tobytes()
    bits = samples.dtype.itemsize * 8
    bits_at = 8 + len(strip)
    packed_bits = struct.pack(f"{order}{channels}H", *[bits] * channels)

    def entry(tag: int, value: int, count: int = 1, kind: str = "I") -> bytes:
        short = struct.pack(f"{order}HH", value, 0) if kind == "H" else struct.pack(f"{order}I", value)
        return struct.pack(f"{order}HHI", tag, 3 if kind == "H" else 4, count) + short

    entries = [
        entry(256, width),
        entry(257, height),
        struct.pack(f"{order}HHI", 258, 3, channels)
        + (packed_bits.ljust(4, b"\0") if channels <= 2 else struct.pack(f"{order}I", bits_at)),
        entry(259, 1, kind="H"),
        entry(262, photometric, kind="H"),
        entry(273, 8),
        entry(277, channels, kind="H"),
        entry(278, height),
        entry(279, len(strip)),
        *([] if extra is None else [entry(338, extra, kind="H")]),
        *([] if sample_format == 1 else [entry(339, sample_format, kind="H")]),
    ]
    directory = struct.pack(f"{order}H", len(entries)) + b"".join(entries) + struct.pack(f"{order}I", 0)
    header = (b"MM" if big else b"II") + struct.pack(f"{order}HI", 42, bits_at + len(packed_bits))
    return header + strip + packed_bits + directory


class TestTransparency:
    def test_half_transparent_red_is_pink(self) -> None:
        image = Image.new("RGBA", (2, 1), (255, 0, 0, 128))
        image.putpixel((1, 0), (9, 9, 9, 0))
        result = decoded(encode(image, "PNG"))
        assert pixels(result) == [(255, 127, 127), WHITE]
        assert result.notes == (FLATTENED,)

    def test_opaque_alpha_keeps_the_pixels(self) -> None:
        rgba = np.random.default_rng(0).integers(0, 256, (4, 6, 4), dtype=np.uint8)
        rgba[..., 3] = 255
        result = decoded(encode(Image.fromarray(rgba), "PNG"), 6, 4)
        np.testing.assert_array_equal(result.pixels_HWC, rgba[..., :3])
        assert result.notes == ()

    def test_gray_with_alpha(self) -> None:
        result = decoded(encode(Image.merge("LA", [Image.new("L", (2, 1), 100), Image.new("L", (2, 1), 51)]), "PNG"))
        assert pixels(result) == [(224, 224, 224)] * 2
        assert result.notes == ("converted from grayscale", FLATTENED)

    def test_premultiplied_gray(self) -> None:
        """One opaque pixel of 100, and one with premultiplied gray 20 over 40 % white."""
        result = decoded(tiff(np.array([[[100, 255], [20, 153]]], dtype=np.uint8), photometric=1, extra=1))
        assert pixels(result) == [(100,) * 3, (122,) * 3]
        assert result.notes == ("converted from grayscale", FLATTENED)

    @pytest.mark.parametrize("transparency", [0, b"\x00\xff"])
    def test_palette_transparency_is_composited(self, transparency: int | bytes) -> None:
        image = Image.new("P", (2, 1))
        image.putpalette([1, 2, 3, 40, 50, 60])
        image.putpixel((1, 0), 1)
        result = decoded(encode(image, "PNG", transparency=transparency))
        assert pixels(result) == [WHITE, (40, 50, 60)]
        assert result.notes == ("converted from palette colors", FLATTENED)

    @pytest.mark.parametrize(
        ("depth", "color_type", "row", "key", "expected"),
        [
            (1, 0, b"\x40", struct.pack(">H", 0), [WHITE, WHITE]),
            (2, 0, b"\x10", struct.pack(">H", 0), [WHITE, (85,) * 3]),
            (2, 0, b"\x10", struct.pack(">H", 1), [BLACK, WHITE]),
            (4, 0, b"\x07", struct.pack(">H", 7), [BLACK, WHITE]),
            (8, 0, b"\x07\x08", struct.pack(">H", 7), [WHITE, (8,) * 3]),
            (16, 0, b"\x12\x34\x12\x35", b"\x12\x34", [WHITE, (0x12,) * 3]),
            (8, 2, b"\x01\x02\x03\x01\x02\x04", struct.pack(">3H", 1, 2, 3), [WHITE, (1, 2, 4)]),
            (16, 2, b"\x12\0\x34\0\x56\0\x12\0\x34\0\x78\0", b"\x12\0\x34\0\x56\0", [WHITE, (0x12, 0x34, 0x78)]),
        ],
    )
    def test_png_transparent_color_is_composited(
        self, depth: int, color_type: int, row: bytes, key: bytes, expected: list[tuple[int, ...]]
    ) -> None:
        result = decoded(png(depth, color_type, row, key))
        assert pixels(result) == expected
        assert result.notes[-1] == FLATTENED


class TestSixteenBits:
    GRAYS = np.array([[0, 257 * 100, 257 * 200, 65_535]], dtype=np.uint16)

    @pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
    def test_grayscale_is_scaled_and_not_clipped(self, file_format: str) -> None:
        result = decoded(encode(Image.fromarray(self.GRAYS), file_format), 4)
        assert pixels(result) == [BLACK, (100,) * 3, (200,) * 3, WHITE]
        assert result.notes == ("converted from 16-bit grayscale",)

    def test_white_is_zero_tiff_is_inverted(self) -> None:
        result = decoded(tiff(self.GRAYS, photometric=0), 4)
        assert pixels(result) == [WHITE, (155,) * 3, (55,) * 3, BLACK]

    def test_twelve_bits(self) -> None:
        """Two samples, 0x800 and 0xFFF, packed into three bytes; written over an 8-bit TIFF of three."""
        data = tiff(np.array([[0x80, 0x0F, 0xFF]], dtype=np.uint8), photometric=1)
        data = data.replace(struct.pack("<HHIHH", 258, 3, 1, 8, 0), struct.pack("<HHIHH", 258, 3, 1, 12, 0))
        data = data.replace(struct.pack("<HHII", 256, 4, 1, 3), struct.pack("<HHII", 256, 4, 1, 2))
        result = decoded(data)
        assert pixels(result) == [(128,) * 3, WHITE]
        assert result.notes == ("converted from 12-bit grayscale",)

    def test_grayscale_rotated_by_exif(self) -> None:
        exif = Image.Exif()
        exif[0x0112] = 3
        result = decoded(encode(Image.fromarray(self.GRAYS), "PNG", exif=exif), 4)
        assert pixels(result) == [WHITE, (200,) * 3, (100,) * 3, BLACK]
        assert result.notes == ("rotated by EXIF orientation 3", "converted from 16-bit grayscale")

    @pytest.mark.parametrize("order", ["<", ">"])
    def test_rgb_tiff(self, order: str) -> None:
        samples_HWC = (np.array([[[0, 128, 255], [1, 2, 3]]]) * 257).astype(f"{order}u2")
        result = decoded(tiff(samples_HWC, photometric=2))
        assert pixels(result) == [(0, 128, 255), (1, 2, 3)]
        assert result.notes == ("converted from 16-bit RGB",)

    def test_rgb_png(self) -> None:
        result = decoded(png(16, 2, struct.pack(">6H", 0, 257 * 7, 65_535, 257, 514, 771)))
        assert pixels(result) == [(0, 7, 255), (1, 2, 3)]
        assert result.notes == ("converted from 16-bit RGB",)

    def test_gray_with_alpha_png(self) -> None:
        result = decoded(png(16, 4, struct.pack(">4H", 257 * 100, 65_535, 257 * 100, 0)))
        assert pixels(result) == [(100,) * 3, WHITE]
        assert result.notes == ("converted from 16-bit grayscale", FLATTENED)

    @pytest.mark.parametrize(
        ("samples_HW", "sample_format"),
        [
            (np.array([[0.0, 1.0]], dtype=np.float32), 3),
            (np.array([[0, 70_000]], dtype=np.int32), 2),
            (np.array([[-1, 1]], dtype=np.int16), 2),
        ],
    )
    def test_samples_of_unknown_range_are_refused(self, samples_HW: npt.NDArray[Any], sample_format: int) -> None:
        with pytest.raises(UnsupportedImageError, match="8 or 16 bits per channel"):
            decoded(tiff(samples_HW, photometric=1, sample_format=sample_format))


class TestColorModels:
    @pytest.mark.parametrize("file_format", ["JPEG", "TIFF"])
    def test_cmyk(self, file_format: str) -> None:
        """Full cyan ink absorbs red; the tolerance is the loss of JPEG."""
        image = Image.new("CMYK", (16, 16), (255, 0, 0, 0))
        result = decoded(encode(image, file_format), 16, 16)
        assert np.abs(result.pixels_HWC.astype(int) - (0, 255, 255)).max() <= 3
        assert result.notes == ("converted from CMYK",)

    def test_one_bit_image_is_black_and_white(self) -> None:
        image = Image.new("1", (2, 1))
        image.putpixel((1, 0), 1)
        for file_format in ("PNG", "TIFF", "BMP"):
            result = decoded(encode(image, file_format))
            assert pixels(result) == [BLACK, WHITE]
            assert result.notes == ("converted from black and white",)

    def test_grayscale_jpeg(self) -> None:
        result = decoded(encode(Image.new("L", (8, 8), 77), "JPEG"), 8, 8)
        assert set(pixels(result)) == {(77, 77, 77)}
        assert result.notes == ("converted from grayscale",)

    def test_opaque_palette(self) -> None:
        image = Image.new("P", (2, 1))
        image.putpalette([1, 2, 3, 40, 50, 60])
        image.putpixel((1, 0), 1)
        result = decoded(encode(image, "PNG"))
        assert pixels(result) == [(1, 2, 3), (40, 50, 60)]
        assert result.notes == ("converted from palette colors",)

    def test_cielab_tiff(self) -> None:
        """L* = 100 and a* = b* = 0 is white, L* = 0 black."""
        result = decoded(tiff(np.array([[[255, 0, 0], [0, 0, 0]]], dtype=np.uint8), photometric=8))
        assert np.abs(np.array(pixels(result)) - [WHITE, BLACK]).max() <= 2
        assert result.notes == ("converted from CIELAB",)
