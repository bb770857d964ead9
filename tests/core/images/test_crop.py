"""Crop: its pixels are the same for every file orientation and decoding path."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from core.errors import CropError
from core.images.decode import Crop, decode_image
from core.images.geometry import fit_image
from tests.support.pictures import encode, noise


def test_crop_of_the_right_size_is_unchanged() -> None:
    pixels_HWC = noise(50, 80)
    decoded = decode_image(encode(Image.fromarray(pixels_HWC), "PNG"), height=20, width=30, crop=Crop(7, 11, 30, 20))
    np.testing.assert_array_equal(decoded.pixels_HWC, pixels_HWC[11:31, 7:37])
    assert decoded.notes == ("cropped to 30x20 at 7,11",)
    assert decoded.original_size == (80, 50)


def test_crop_is_resized_like_a_whole_image() -> None:
    pixels_HWC = noise(90, 200)
    decoded = decode_image(encode(Image.fromarray(pixels_HWC), "PNG"), height=32, width=32, crop=Crop(100, 0, 90, 90))
    np.testing.assert_array_equal(
        decoded.pixels_HWC, fit_image(pixels_HWC[:, 100:190].copy(), geometry="stretch", height=32, width=32)
    )
    assert decoded.notes == ("cropped to 90x90 at 100,0", "resized from 90x90")


def test_crop_of_the_whole_image_is_noted() -> None:
    pixels_HWC = noise(32, 32)
    decoded = decode_image(encode(Image.fromarray(pixels_HWC), "PNG"), height=32, width=32, crop=Crop(0, 0, 32, 32))
    np.testing.assert_array_equal(decoded.pixels_HWC, pixels_HWC)
    assert decoded.notes == ("cropped to 32x32 at 0,0",)


def test_crop_uses_upright_coordinates() -> None:
    stored_HWC = noise(40, 60)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees to the right
    data = encode(Image.fromarray(stored_HWC), "PNG", exif=exif)
    upright_HWC = np.rot90(stored_HWC, -1)
    decoded = decode_image(data, height=10, width=10, crop=Crop(25, 45, 10, 10))
    np.testing.assert_array_equal(decoded.pixels_HWC, upright_HWC[45:55, 25:35])


@pytest.mark.parametrize("crop", [Crop(1200, 300, 400, 400), Crop(0, 0, 1600, 1200), Crop(801, 601, 799, 599)])
def test_crop_of_a_large_jpeg_is_the_same_region(crop: Crop) -> None:
    ramp_HWC = np.zeros((1200, 1600, 3), np.uint8)
    ramp_HWC[..., 0] = np.linspace(0, 255, 1600)[np.newaxis]
    ramp_HWC[..., 1] = np.linspace(0, 255, 1200)[:, np.newaxis]
    data = encode(Image.fromarray(ramp_HWC), "JPEG", quality=95)
    decoded = decode_image(data, height=32, width=32, crop=crop)
    part_HWC = ramp_HWC[crop.top : crop.top + crop.height, crop.left : crop.left + crop.width]
    exact_HWC = fit_image(part_HWC.copy(), geometry="stretch", height=32, width=32).astype(int)
    assert np.abs(decoded.pixels_HWC.astype(int) - exact_HWC).max() <= 4


def test_small_crop_of_a_large_jpeg_keeps_detail() -> None:
    checks_HWC = np.kron(np.indices((150, 200)).sum(axis=0) % 2 * 255, np.ones((8, 8))).astype(np.uint8)
    data = encode(Image.fromarray(np.stack([checks_HWC] * 3, axis=-1)), "JPEG", quality=95)
    decoded = decode_image(data, height=32, width=32, crop=Crop(800, 400, 32, 32))
    assert decoded.pixels_HWC.std() > 100


@pytest.mark.parametrize("crop", [Crop(51, 0, 30, 30), Crop(0, 21, 30, 30), Crop(0, 0, 81, 50), Crop(80, 50, 1, 1)])
def test_crop_outside_the_image_is_refused(crop: Crop) -> None:
    with pytest.raises(CropError, match="not within the image, which has 80x50 pixels"):
        decode_image(encode(Image.fromarray(noise(50, 80)), "PNG"), height=32, width=32, crop=crop)


def test_crop_of_one_pixel_is_accepted() -> None:
    stream = io.BytesIO()
    Image.fromarray(noise(4000, 30)).save(stream, "JPEG")
    decoded = decode_image(stream.getvalue(), height=32, width=32, crop=Crop(29, 3999, 1, 1))
    assert decoded.pixels_HWC.std(axis=(0, 1)).max() == 0
