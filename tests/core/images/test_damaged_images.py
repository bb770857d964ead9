"""Unsupported and damaged images: only image errors are raised, for any bytes."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from core.errors import ImageError, UnsupportedImageError
from tests.support.pictures import at_32, encode, noise


class TestRefused:
    def test_empty(self) -> None:
        with pytest.raises(ImageError, match="empty"):
            at_32(b"")

    @pytest.mark.parametrize("data", [b"\0", b"hello", b"RIFF\0\0\0\0WAVEfmt ", bytes(100), b"\xff\xd8", b"{}"])
    def test_non_image_bytes_are_refused(self, data: bytes) -> None:
        with pytest.raises(ImageError, match="not an image of a supported format: send a PNG") as caught:
            at_32(data)
        assert type(caught.value) is ImageError

    @pytest.mark.parametrize(
        ("data", "name"),
        [
            (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC"),
            (encode(Image.new("RGB", (16, 16)), "ICO"), "ICO"),
            (encode(Image.new("RGB", (16, 16)), "PDF"), "PDF"),
            (encode(Image.new("RGB", (16, 16)), "EPS"), "PostScript"),
            (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        ],
    )
    def test_unsupported_format_is_named(self, data: bytes, name: str) -> None:
        with pytest.raises(UnsupportedImageError, match=f"{name} files are not supported"):
            at_32(data)

    @pytest.mark.parametrize("file_format", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF"])
    @pytest.mark.parametrize("share", [0.05, 0.3, 0.6, 0.9])
    def test_cut_short(self, file_format: str, share: float) -> None:
        data = encode(Image.fromarray(noise(64, 64)), file_format)
        with pytest.raises(ImageError, match=f"{file_format} image is damaged or truncated"):
            at_32(data[: int(share * len(data))])

    def test_png_with_a_flipped_bit_is_refused(self) -> None:
        data = bytearray(encode(Image.fromarray(noise(64, 64)), "PNG"))
        data[len(data) // 2] ^= 1
        with pytest.raises(ImageError, match="PNG image is damaged"):
            at_32(bytes(data))


def _seeds() -> list[bytes]:
    image = Image.fromarray(noise(12, 10))
    other = Image.fromarray(noise(12, 10, seed=1))
    exif = Image.Exif()
    exif[0x0112] = 6
    return [
        encode(image, "PNG", exif=exif),
        encode(image.quantize(16), "PNG", transparency=3),
        encode(Image.fromarray(noise(12, 10)[..., 0].astype(np.uint16) * 257), "PNG"),
        encode(image, "PNG", save_all=True, append_images=[other]),
        encode(image, "JPEG", exif=exif),
        encode(image, "JPEG", progressive=True),
        encode(image.convert("CMYK"), "JPEG"),
        encode(image, "GIF", save_all=True, append_images=[other]),
        encode(image.quantize(8), "GIF", transparency=2),
        encode(image, "WEBP", exif=exif),
        encode(image.convert("RGBA"), "WEBP", lossless=True, save_all=True, append_images=[other]),
        encode(image, "TIFF", exif=exif),
        encode(image, "TIFF", compression="tiff_lzw"),
        encode(image, "TIFF", compression="jpeg"),
        encode(image.convert("1"), "TIFF", compression="group4"),
        encode(image, "TIFF", save_all=True, append_images=[other]),
        encode(image.quantize(16), "BMP"),
    ]


SEEDS = _seeds()


@st.composite
def mutated_images(draw: st.DrawFn) -> bytes:
    data = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(data)))
        match draw(st.sampled_from(["replace", "replace", "replace", "insert", "delete", "repeat", "cut"])):
            case "replace":
                data[at : at + 4] = draw(st.binary(min_size=1, max_size=4))
            case "insert":
                data[at:at] = draw(st.binary(min_size=1, max_size=16))
            case "delete":
                del data[at : at + draw(st.integers(1, 16))]
            case "repeat":
                data[at:at] = data[at : at + draw(st.integers(1, 64))]
            case _:
                del data[at:]
    return bytes(data)


class TestAnyBytes:
    @settings(max_examples=600, derandomize=True)
    @given(mutated_images())
    def test_damaged_images_are_read_or_refused(self, data: bytes) -> None:
        try:
            decoded = at_32(data)
        except ImageError:
            return
        assert decoded.pixels_HWC.shape == (32, 32, 3)
        assert decoded.pixels_HWC.dtype == np.uint8

    @settings(max_examples=200, derandomize=True)
    @given(st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"BM", b"II*\0"]), st.binary())
    def test_random_bytes_are_refused_or_read(self, signature: bytes, tail: bytes) -> None:
        with contextlib.suppress(ImageError):
            assert at_32(signature + tail).pixels_HWC.shape == (32, 32, 3)
