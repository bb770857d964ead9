"""Image geometry: exact pixels and notes for other aspect ratios, and one decoding for several models."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from core.images import decode as images_module
from core.images.decode import Crop, decode_image, decode_images
from core.images.geometry import PAD_COLOR, ModelInput, fit_image, fit_notes
from core.repository.manifest import Geometry
from tests.support.pictures import encode, noise

GEOMETRIES: tuple[Geometry, ...] = ("stretch", "crop", "pad")
WIDE, TALL, SQUARE = noise(32, 80), noise(70, 32), noise(32, 32)
INPUTS = [ModelInput(32, 32, geometry) for geometry in GEOMETRIES]


def fitted(pixels_HWC: npt.NDArray[np.uint8], geometry: Geometry, side: int = 32) -> npt.NDArray[np.uint8]:
    return fit_image(pixels_HWC, height=side, width=side, geometry=geometry)


def ramp(height: int, width: int) -> npt.NDArray[np.uint8]:
    """A gradient: red increases to the right, green downwards."""
    pixels_HWC = np.zeros((height, width, 3), np.uint8)
    pixels_HWC[..., 0] = np.linspace(0, 255, width)[np.newaxis]
    pixels_HWC[..., 1] = np.linspace(0, 255, height)[:, np.newaxis]
    return pixels_HWC


class TestPixels:
    def test_crop_takes_the_center_unchanged(self) -> None:
        np.testing.assert_array_equal(fitted(WIDE, "crop"), WIDE[:, 24:56])
        np.testing.assert_array_equal(fitted(TALL, "crop"), TALL[19:51])

    def test_crop_of_odd_margin_rounds_left_and_up(self) -> None:
        np.testing.assert_array_equal(fitted(noise(32, 35), "crop"), noise(32, 35)[:, 1:33])
        np.testing.assert_array_equal(fitted(noise(35, 32), "crop"), noise(35, 32)[1:33])

    def test_crop_resizes_the_center_like_an_image(self) -> None:
        large_HWC = noise(90, 200)
        np.testing.assert_array_equal(fitted(large_HWC, "crop"), fitted(large_HWC[:, 55:145].copy(), "stretch"))

    def test_pad_keeps_the_whole_image_between_gray_bars(self) -> None:
        padded_HWC = fitted(noise(32, 64), "pad", side=64)
        np.testing.assert_array_equal(padded_HWC[16:48], noise(32, 64))
        for bar_HWC in (padded_HWC[:16], padded_HWC[48:]):
            np.testing.assert_array_equal(bar_HWC, np.broadcast_to(PAD_COLOR, (16, 64, 3)))
        padded_HWC = fitted(noise(64, 31), "pad", side=64)
        np.testing.assert_array_equal(padded_HWC[:, 16:47], noise(64, 31))
        assert (padded_HWC[:, :16] == PAD_COLOR).all()
        assert (padded_HWC[:, 47:] == PAD_COLOR).all()

    def test_pad_keeps_the_aspect_ratio(self) -> None:
        large_HWC = noise(100, 200)
        resized_HWC = fit_image(large_HWC, height=16, width=32, geometry="stretch")
        np.testing.assert_array_equal(fitted(large_HWC, "pad")[8:24], resized_HWC)

    @pytest.mark.parametrize("geometry", GEOMETRIES)
    def test_square_image_ignores_the_geometry(self, geometry: Geometry) -> None:
        assert fitted(SQUARE, geometry) is SQUARE
        np.testing.assert_array_equal(fitted(noise(77, 77), geometry), fitted(noise(77, 77), "stretch"))

    @pytest.mark.parametrize("geometry", GEOMETRIES)
    def test_one_pixel_fills_the_input(self, geometry: Geometry) -> None:
        pixel_HWC = np.array([[[10, 200, 30]]], np.uint8)
        np.testing.assert_array_equal(fitted(pixel_HWC, geometry), np.broadcast_to((10, 200, 30), (32, 32, 3)))

    def test_strip_of_one_pixel_keeps_one_row(self) -> None:
        strip_HWC = np.full((1, 3000, 3), 7, np.uint8)
        np.testing.assert_array_equal(fitted(strip_HWC, "crop"), np.full((32, 32, 3), 7))
        padded_HWC = fitted(strip_HWC, "pad")
        assert (padded_HWC[15] == 7).all()
        assert (np.delete(padded_HWC, 15, axis=0) == PAD_COLOR).all()

    def test_non_square_input_keeps_the_aspect_ratio(self) -> None:
        square_HWC = noise(60, 60)
        cropped_HWC = fit_image(square_HWC, height=20, width=60, geometry="crop")
        np.testing.assert_array_equal(cropped_HWC, square_HWC[20:40])
        padded_HWC = fit_image(square_HWC, height=60, width=100, geometry="pad")
        np.testing.assert_array_equal(padded_HWC[:, 20:80], square_HWC)

    @given(height=st.integers(1, 90), width=st.integers(1, 90), geometry=st.sampled_from(GEOMETRIES))
    def test_fit_image_gives_the_size_without_new_colors(self, height: int, width: int, geometry: Geometry) -> None:
        plain_HWC = np.full((height, width, 3), PAD_COLOR, np.uint8)
        result_HWC = fit_image(plain_HWC, height=24, width=40, geometry=geometry)
        np.testing.assert_array_equal(result_HWC, np.broadcast_to(PAD_COLOR, (24, 40, 3)))


class TestNotes:
    @pytest.mark.parametrize(
        ("size", "geometry", "notes"),
        [
            ((451, 300), "stretch", ["resized from 451x300", "stretched, its proportions differ"]),
            ((451, 300), "crop", ["cropped to the center square", "resized from 300x300"]),
            ((451, 300), "pad", ["resized from 451x300", "padded to a square"]),
            ((32, 80), "crop", ["cropped to the center square"]),
            ((32, 20), "pad", ["padded to a square"]),
            ((64, 64), "stretch", ["resized from 64x64"]),
            ((64, 64), "crop", ["resized from 64x64"]),
            ((64, 64), "pad", ["resized from 64x64"]),
            ((32, 32), "crop", []),
            ((32, 32), "pad", []),
        ],
    )
    def test_fit_notes_describe_each_step(self, size: tuple[int, int], geometry: Geometry, notes: list[str]) -> None:
        assert fit_notes(size, height=32, width=32, geometry=geometry) == notes
        decoded = decode_image(
            encode(Image.fromarray(noise(size[1], size[0])), "PNG"), height=32, width=32, geometry=geometry
        )
        assert decoded.notes == tuple(notes)
        assert decoded.original_size == size

    def test_fit_notes_name_non_square_proportions(self) -> None:
        assert fit_notes((60, 60), height=20, width=60, geometry="crop") == ["cropped to the center 60:20"]
        assert fit_notes((60, 60), height=60, width=100, geometry="pad") == ["padded to 100:60"]

    def test_crop_is_fitted_like_a_whole_image(self) -> None:
        data = encode(Image.fromarray(noise(90, 200)), "PNG")
        decoded = decode_image(data, height=32, width=32, geometry="crop", crop=Crop(100, 10, 60, 40))
        np.testing.assert_array_equal(decoded.pixels_HWC, fitted(noise(90, 200)[10:50, 110:150].copy(), "stretch"))
        assert decoded.notes == ("cropped to 60x40 at 100,10", "cropped to the center square", "resized from 40x40")


class TestLargeJPEG:
    """A large JPEG is decoded at a fraction of its size."""

    @pytest.mark.parametrize("size", [(2400, 600), (600, 2400), (1801, 1203), (520, 520), (4000, 300)])
    @pytest.mark.parametrize("geometry", GEOMETRIES)
    def test_reduced_jpeg_decoding_is_close_to_full(self, size: tuple[int, int], geometry: Geometry) -> None:
        data = encode(Image.fromarray(ramp(size[1], size[0])), "JPEG", quality=95)
        in_full_HWC = fitted(np.asarray(Image.open(io.BytesIO(data))), geometry)
        decoded = decode_image(data, height=32, width=32, geometry=geometry)
        assert np.abs(decoded.pixels_HWC.astype(int) - in_full_HWC).max() <= 4

    def test_panorama_center_keeps_detail(self) -> None:
        """The cropped input has 8 checks per side; decoding at the scale of the longer side would make it gray."""
        checks_HW = np.kron(np.indices((8, 128)).sum(axis=0) % 2 * 255, np.ones((32, 32))).astype(np.uint8)
        data = encode(Image.fromarray(np.stack([checks_HW] * 3, axis=-1)), "JPEG", quality=95)
        expected_HWC = fitted(np.stack([checks_HW] * 3, axis=-1), "crop", side=64)
        decoded = decode_image(data, height=64, width=64, geometry="crop")
        assert np.abs(decoded.pixels_HWC.astype(int) - expected_HWC).max() <= 8

    def test_crop_uses_the_upright_image(self) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6  # to be turned by 90 degrees to the right
        data = encode(Image.fromarray(ramp(600, 1600)), "JPEG", quality=95, exif=exif)
        decoded = decode_image(data, height=32, width=32, geometry="crop")
        upright_HWC = np.ascontiguousarray(np.rot90(ramp(600, 1600), -1))
        assert np.abs(decoded.pixels_HWC.astype(int) - fitted(upright_HWC, "crop")).max() <= 4
        assert decoded.notes[1:] == ("cropped to the center square", "resized from 600x600")


class TestSeveral:
    FILES = (
        encode(Image.fromarray(ramp(900, 1300)), "JPEG"),
        encode(Image.fromarray(noise(40, 70)), "PNG"),
        encode(Image.fromarray(SQUARE), "PNG"),
    )

    @pytest.mark.parametrize("data", FILES, ids=["jpeg", "png", "exact"])
    def test_decode_images_equals_decode_image_per_input(self, data: bytes) -> None:
        inputs = [*INPUTS, ModelInput(16, 16, "crop"), INPUTS[0]]
        for decoded, (height, width, geometry) in zip(decode_images(data, inputs), inputs, strict=True):
            alone = decode_image(data, height=height, width=width, geometry=geometry)
            np.testing.assert_array_equal(decoded.pixels_HWC, alone.pixels_HWC)
            assert (decoded.notes, decoded.original_size) == (alone.notes, alone.original_size)

    def test_decode_images_decodes_once_per_size(self, monkeypatch: pytest.MonkeyPatch) -> None:
        decodings: list[bytes] = []
        decode = images_module._decode

        def counted(*arguments: object) -> object:
            decodings.append(b"")
            return decode(*arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(images_module, "_decode", counted)
        decode_images(self.FILES[0], INPUTS)
        assert len(decodings) == 1
