"""Decoding and resizing: unchanged images, orientation, animations and size limits."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import numpy as np
import pytest
from PIL import Image

from core.errors import ImageError, ImageTooLargeError
from core.images.decode import decode_image
from core.images.geometry import fit_image
from tests.support.pictures import at_32, encode, noise, png


def png_header(width: int, height: int) -> bytes:
    """A PNG whose header has the given size, with almost no pixel data."""
    return png(8, 2, bytes(64), size=(width, height))


class TestUnchanged:
    @pytest.mark.parametrize(
        ("file_format", "options"),
        [("PNG", {}), ("BMP", {}), ("WEBP", {"lossless": True}), ("TIFF", {}), ("TIFF", {"compression": "tiff_lzw"})],
    )
    def test_rgb_image_of_the_model_size_is_unchanged(self, file_format: str, options: dict[str, Any]) -> None:
        pixels_HWC = noise(24, 40)
        decoded = decode_image(encode(Image.fromarray(pixels_HWC), file_format, **options), height=24, width=40)
        assert decoded.pixels_HWC.dtype == np.uint8
        np.testing.assert_array_equal(decoded.pixels_HWC, pixels_HWC)
        assert decoded.notes == ()
        assert decoded.original_size == (40, 24)

    def test_jpeg_of_the_right_size_equals_pillow(self) -> None:
        data = encode(Image.fromarray(noise(32, 32)), "JPEG", quality=80)
        np.testing.assert_array_equal(at_32(data).pixels_HWC, np.asarray(Image.open(io.BytesIO(data))))
        assert at_32(data).notes == ()

    def test_decoded_pixels_are_read_only(self) -> None:
        with pytest.raises(ValueError, match="read-only"):
            at_32(encode(Image.fromarray(noise(32, 32)), "PNG")).pixels_HWC[0, 0, 0] = 1


class TestResizing:
    def test_fit_image_of_the_same_size_is_the_identity(self) -> None:
        pixels_HWC = noise(5, 9)
        np.testing.assert_array_equal(fit_image(pixels_HWC, geometry="stretch", height=5, width=9), pixels_HWC)
        np.testing.assert_array_equal(
            fit_image(Image.fromarray(pixels_HWC), geometry="stretch", height=5, width=9), pixels_HWC
        )

    def test_shrinking_is_antialiased(self) -> None:
        """A one-pixel checkerboard averages to gray; a filter that samples would give black or white."""
        checkerboard_HW = (np.indices((256, 256)).sum(axis=0) % 2 * 255).astype(np.uint8)
        small = fit_image(np.repeat(checkerboard_HW[..., None], 3, axis=2), geometry="stretch", height=32, width=32)
        assert np.abs(small.astype(int) - 127).max() <= 2

    def test_stretch_keeps_the_whole_image(self) -> None:
        wide_HWC = np.zeros((32, 128, 3), dtype=np.uint8)
        wide_HWC[:, :32] = (255, 0, 0)
        wide_HWC[:, 96:] = (0, 0, 255)
        decoded = at_32(encode(Image.fromarray(wide_HWC), "PNG"))
        np.testing.assert_array_equal(decoded.pixels_HWC[:, :6], np.broadcast_to((255, 0, 0), (32, 6, 3)))
        np.testing.assert_array_equal(decoded.pixels_HWC[:, -6:], np.broadcast_to((0, 0, 255), (32, 6, 3)))
        np.testing.assert_array_equal(decoded.pixels_HWC[:, 12:20], np.zeros((32, 8, 3)))
        assert decoded.notes == ("resized from 128x32", "stretched, its proportions differ")

    def test_same_aspect_ratio_has_no_stretch_note(self) -> None:
        assert at_32(encode(Image.fromarray(noise(64, 64)), "PNG")).notes == ("resized from 64x64",)
        assert at_32(encode(Image.fromarray(noise(641, 640)), "PNG")).notes == ("resized from 640x641",)

    def test_decoding_resizes_as_fit_image_does(self) -> None:
        pixels_HWC = noise(75, 100)
        decoded = at_32(encode(Image.fromarray(pixels_HWC), "PNG"))
        np.testing.assert_array_equal(
            decoded.pixels_HWC, fit_image(pixels_HWC, geometry="stretch", height=32, width=32)
        )

    @pytest.mark.parametrize(
        "wrong",
        [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3)), Image.new("RGBA", (4, 4))],
    )
    def test_input_that_is_not_8_bit_rgb_raises_value_error(self, wrong: Any) -> None:
        with pytest.raises(ValueError, match="expected"):
            fit_image(wrong, geometry="stretch", height=4, width=4)


class TestOrientation:
    """Orientation n defines where the first row and column of the image are stored."""

    STORED: ClassVar = {
        1: lambda upright: upright,
        2: lambda upright: upright[:, ::-1],
        3: lambda upright: upright[::-1, ::-1],
        4: lambda upright: upright[::-1],
        5: lambda upright: upright.transpose(1, 0, 2),
        6: lambda upright: np.rot90(upright, 1),
        7: lambda upright: upright.transpose(1, 0, 2)[::-1, ::-1],
        8: lambda upright: np.rot90(upright, -1),
    }

    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("file_format", ["PNG", "TIFF", "WEBP"])
    def test_exif_orientation_is_applied(self, orientation: int, file_format: str) -> None:
        upright_HWC = noise(16, 24)
        exif = Image.Exif()
        exif[0x0112] = orientation
        stored = Image.fromarray(np.ascontiguousarray(self.STORED[orientation](upright_HWC)))
        options = {"lossless": True} if file_format == "WEBP" else {}
        decoded = decode_image(encode(stored, file_format, exif=exif, **options), height=16, width=24)
        np.testing.assert_array_equal(decoded.pixels_HWC, upright_HWC)
        assert decoded.original_size == (24, 16)
        assert [note for note in decoded.notes if note.endswith(f"by EXIF orientation {orientation}")] == list(
            decoded.notes
        )
        assert len(decoded.notes) == (0 if orientation == 1 else 1)

    def test_photograph_is_rotated_before_resizing(self) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6
        lower_half_dark_HWC = np.full((480, 640, 3), 255, np.uint8)
        lower_half_dark_HWC[240:] = 0
        decoded = at_32(encode(Image.fromarray(lower_half_dark_HWC), "JPEG", exif=exif))
        assert decoded.notes == (
            "rotated by EXIF orientation 6",
            "resized from 480x640",
            "stretched, its proportions differ",
        )
        assert decoded.original_size == (480, 640)
        assert decoded.pixels_HWC[:, :12].max() < 20
        assert decoded.pixels_HWC[:, 20:].min() > 235

    def test_tiff_with_orientation_only_in_xmp(self) -> None:
        upright_HWC = noise(16, 24)
        stored = Image.fromarray(np.ascontiguousarray(np.rot90(upright_HWC)))
        data = encode(stored, "TIFF", tiffinfo={700: b'<x tiff:Orientation="6"/>'})
        decoded = decode_image(data, height=16, width=24)
        np.testing.assert_array_equal(decoded.pixels_HWC, upright_HWC)
        assert decoded.original_size == (24, 16)
        assert decoded.notes == ("rotated by EXIF orientation 6",)

    def test_damaged_exif_block_is_ignored_with_a_note(self) -> None:
        pixels_HWC = noise(32, 32)
        data = encode(Image.fromarray(pixels_HWC), "PNG", exif=b"Exif\0\0II*\0\xff\xff")
        decoded = at_32(data)
        np.testing.assert_array_equal(decoded.pixels_HWC, pixels_HWC)
        assert decoded.notes == ("damaged EXIF block ignored",)


class TestFrames:
    FRAMES: ClassVar = [Image.new("RGB", (32, 32), color) for color in ("red", "lime", "blue")]

    @pytest.mark.parametrize(
        ("file_format", "options"), [("GIF", {}), ("PNG", {}), ("WEBP", {"lossless": True})], ids=["GIF", "PNG", "WEBP"]
    )
    def test_animation_uses_the_first_frame_with_a_note(self, file_format: str, options: dict[str, Any]) -> None:
        data = encode(self.FRAMES[0], file_format, save_all=True, append_images=self.FRAMES[1:], **options)
        decoded = at_32(data)
        assert "first of 3 frames" in decoded.notes
        np.testing.assert_array_equal(decoded.pixels_HWC, np.broadcast_to((255, 0, 0), (32, 32, 3)))

    def test_multi_page_tiff_has_a_note(self) -> None:
        decoded = at_32(encode(self.FRAMES[0], "TIFF", save_all=True, append_images=self.FRAMES[1:]))
        assert decoded.notes == ("first of several frames",)
        np.testing.assert_array_equal(decoded.pixels_HWC, np.broadcast_to((255, 0, 0), (32, 32, 3)))

    def test_frames_of_a_huge_gif_are_not_counted(self) -> None:
        data = encode(self.FRAMES[0], "GIF", save_all=True, append_images=self.FRAMES[1:], comment=b"")
        comment = b"!\xfe" + b"\xff".join([b"", *[bytes(255)] * 4000]) + b"\0"
        decoded = at_32(data[:-1] + comment + data[-1:])
        assert "first of several frames" in decoded.notes

    def test_still_gif_has_no_frame_note(self) -> None:
        assert not any("frame" in note for note in at_32(encode(self.FRAMES[0], "GIF")).notes)


class TestTooLarge:
    def test_huge_image_is_refused_by_its_header(self) -> None:
        with pytest.raises(ImageTooLargeError, match=r"20000x20000 pixels, the limit is 25 megapixels"):
            at_32(png_header(20_000, 20_000))

    @pytest.mark.parametrize("side", [5_001, 9_500, 14_000])
    def test_huge_sizes_raise_no_pillow_bomb_warning(self, side: int) -> None:
        """Pillow warns from 89 and raises from 179 megapixels."""
        with pytest.raises(ImageTooLargeError):
            at_32(png_header(side, side))

    def test_exactly_the_limit_is_read(self) -> None:
        data = encode(Image.new("RGB", (100, 50)), "PNG")
        assert decode_image(data, height=8, width=8, max_pixels=5_000).original_size == (100, 50)
        with pytest.raises(ImageTooLargeError, match=r"the limit is 0.004999 megapixels"):
            decode_image(data, height=8, width=8, max_pixels=4_999)

    def test_long_strip_is_refused(self) -> None:
        with pytest.raises(ImageTooLargeError, match="no side may exceed 65535"):
            at_32(png_header(1_000_000, 1))

    def test_gif_with_a_huge_screen_is_refused(self) -> None:
        data = bytearray(encode(Image.new("P", (4, 4)), "GIF"))
        data[6:10] = struct.pack("<HH", 65_535, 65_535)
        with pytest.raises(ImageTooLargeError):
            at_32(bytes(data))

    def test_gif_with_a_huge_frame_is_refused(self) -> None:
        data = encode(Image.new("P", (4, 4)), "GIF")
        at = data.rindex(b",\0\0\0\0\x04\0\x04\0")
        with pytest.raises(ImageTooLargeError):
            at_32(data[: at + 5] + struct.pack("<HH", 65_535, 65_535) + data[at + 9 :])

    @pytest.mark.parametrize("side", [20_000, 16_777_216])
    def test_webp_with_a_huge_canvas_is_refused(self, side: int) -> None:
        frames = [Image.new("RGB", (4, 4), color) for color in ("red", "blue")]
        data = bytearray(encode(frames[0], "WEBP", save_all=True, append_images=frames[1:]))
        assert data[12:16] == b"VP8X"
        data[24:30] = 2 * (side - 1).to_bytes(3, "little")
        # libwebp itself calls the second canvas, of 2**48 pixels, damaged.
        with pytest.raises(ImageError):
            at_32(bytes(data))


def test_threads_do_not_disturb_each_other() -> None:
    pictures = [noise(32, 32, seed) for seed in range(40)]
    files = [
        encode(Image.fromarray(pixels_HWC), ("PNG", "BMP", "TIFF")[i % 3]) for i, pixels_HWC in enumerate(pictures)
    ]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            for pixels_HWC, decoded in zip(pictures, pool.map(at_32, files), strict=True):
                np.testing.assert_array_equal(decoded.pixels_HWC, pixels_HWC)


def test_only_the_allowed_readers_are_imported() -> None:
    script = (
        "import io, sys; from PIL import Image; from core.images.decode import decode_image\n"
        "try: decode_image(b'%!PS-Adobe-3.0', height=1, width=1)\n"
        "except Exception: pass\n"
        "print(*sorted(name for name in sys.modules if name.startswith('PIL.') and name.endswith('ImagePlugin')))"
    )
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert loaded == [f"PIL.{name}ImagePlugin" for name in ("Bmp", "Gif", "Jpeg", "Png", "Tiff", "WebP")]
