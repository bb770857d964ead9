"""Pages of images as PNG files, read back by Pillow pixel by pixel."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from service.engine.arrays import Pixels
from service.saliency.page import GAP, page
from service.saliency.png import enlarged_png
from service.saliency.render import Panel, comparison_picture


def noise(height: int, width: int, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def read(png: bytes) -> Pixels:
    with Image.open(io.BytesIO(png)) as image:
        image.load()
        assert (image.format, image.mode) == ("PNG", "RGB")
        return np.asarray(image)


def squares(image_HWC: Pixels, scale: int) -> Pixels:
    return np.kron(image_HWC, np.ones((scale, scale, 1), np.uint8))


@pytest.mark.parametrize(("height", "width", "scale"), [(1, 1, 1), (1, 7, 3), (7, 1, 1), (32, 65, 8), (300, 200, 1)])
def test_every_pixel_becomes_a_square(height: int, width: int, scale: int) -> None:
    image_HWC = noise(height, width)
    np.testing.assert_array_equal(read(enlarged_png(image_HWC, scale)), squares(image_HWC, scale))


def test_an_image_that_is_not_contiguous_is_written_and_not_changed() -> None:
    image_HWC = noise(8, 8)
    turned_HWC, before = image_HWC.transpose(1, 0, 2)[::-1], image_HWC.copy()
    np.testing.assert_array_equal(read(enlarged_png(turned_HWC, 2)), squares(turned_HWC, 2))
    np.testing.assert_array_equal(image_HWC, before)


def test_small_images_are_enlarged_and_large_ones_left_as_they_are() -> None:
    assert read(page([[noise(32, 32)]])).shape == (256, 256, 3)
    assert read(page([[noise(20, 30)]])).shape == (180, 270, 3)
    np.testing.assert_array_equal(read(page([[noise(256, 300)]])), noise(256, 300))


def test_images_of_any_sizes_stand_in_rows_on_white() -> None:
    small_HWC, wide_HWC, large_HWC = noise(32, 32), noise(64, 128, 1), noise(300, 500, 2)
    found = read(page([[small_HWC, wide_HWC], [large_HWC]]))
    # 8, 2 and 1 times; what is 1 times leaves the gap as it is
    assert found.shape == (256 + GAP + 300, max(256 + GAP + 256, 500), 3)
    np.testing.assert_array_equal(found[:256, :256], squares(small_HWC, 8))
    np.testing.assert_array_equal(found[:128, 256 + GAP : 512 + GAP], squares(wide_HWC, 2))
    np.testing.assert_array_equal(found[256 + GAP :, :500], large_HWC)
    rest = found.copy()
    rest[:256, :256] = rest[:128, 256 + GAP : 512 + GAP] = rest[256 + GAP :, :500] = 255
    assert (rest == 255).all()


def test_a_comparison_has_a_row_per_method_in_which_each_model_has_its_place() -> None:
    image_HWC, other_HWC = noise(32, 32), noise(32, 32, 1)
    flat_HW, ramp_HW = np.zeros((32, 32)), np.arange(1024.0).reshape(32, 32)
    maps = [[Panel(ramp_HW, False), Panel(flat_HW, True)], [Panel(flat_HW, False), Panel(flat_HW, True)]]
    found = read(comparison_picture([image_HWC, other_HWC], maps, "side_by_side"))
    assert found.shape == (2 * 256 + GAP, 3 * 256 + 2 * GAP, 3)
    for top in (0, 256 + GAP):
        np.testing.assert_array_equal(found[top : top + 256, :256], squares(image_HWC, 8))
    first, second = found[:256, 256 + GAP : 512 + GAP], found[:256, -256:]
    assert len(np.unique(first.reshape(-1, 3), axis=0)) > 100
    assert len(np.unique(second.reshape(-1, 3), axis=0)) == 1
    signed = found[256 + GAP :, 256 + GAP : 512 + GAP]
    assert not np.array_equal(signed[0, 0], second[0, 0])

    blended = read(comparison_picture([image_HWC, other_HWC], maps, "blend"))
    assert blended.shape == (2 * 256 + GAP, 2 * 256 + GAP, 3)
    for left, shown_HWC in ((0, image_HWC), (256 + GAP, other_HWC)):
        signed = blended[256 + GAP :: 8, left : left + 256 : 8].mean(axis=-1)
        assert np.corrcoef(signed.ravel(), shown_HWC.mean(axis=-1).ravel())[0, 1] > 0.99
