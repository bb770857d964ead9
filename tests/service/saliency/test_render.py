"""Rendered maps, pages of images and windows, pixel by pixel."""

from __future__ import annotations

import io
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from service.engine.arrays import Pixels
from service.engine.gradient_model import MAX_IMAGES, RUN_SECONDS, Pace
from service.saliency.methods import Doubles, count_windows, windows
from service.saliency.render import (
    DIVERGING,
    GAP,
    SEQUENTIAL,
    Layout,
    Panel,
    comparison_picture,
    is_flat,
    page,
    picture,
    to_png,
)

SCALE = 32
IMAGE = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)


def noise(height: int, width: int, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def read(png: bytes) -> Pixels:
    with Image.open(io.BytesIO(png)) as image:
        image.load()
        assert (image.format, image.mode) == ("PNG", "RGB")
        return np.asarray(image)


def squares(image_HWC: Pixels, scale: int) -> Pixels:
    return np.kron(image_HWC, np.ones((scale, scale, 1), np.uint8))


def drawn(map_HW: Doubles, *, signed: bool, layout: Layout = "side_by_side") -> Pixels:
    return read(picture(IMAGE, [Panel(map_HW, signed)], layout))


def test_picture_shows_the_enlarged_image_on_the_left() -> None:
    shown = drawn(np.zeros((8, 8)), signed=False)
    assert shown.shape == (8 * SCALE, 2 * 8 * SCALE + GAP, 3)
    np.testing.assert_array_equal(shown[:, : 8 * SCALE], np.kron(IMAGE, np.ones((SCALE, SCALE, 1), np.uint8)))
    assert (shown[:, 8 * SCALE : 8 * SCALE + GAP] == 255).all()


def test_unsigned_map_goes_from_dark_to_bright() -> None:
    ramp_HW = np.arange(64.0).reshape(8, 8) + 100
    colors = drawn(ramp_HW, signed=False)[::SCALE, 8 * SCALE + GAP :: SCALE]
    np.testing.assert_array_equal(colors[0, 0], SEQUENTIAL[0])
    np.testing.assert_array_equal(colors[7, 7], SEQUENTIAL[-1])
    brightness = colors.reshape(64, 3) @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(brightness) >= -1).all()


def test_signed_map_shows_zero_as_gray() -> None:
    map_HW = np.zeros((8, 8))
    map_HW[0], map_HW[7] = 4.0, -1.0
    colors = drawn(map_HW, signed=True)[::SCALE, 8 * SCALE + GAP :: SCALE]
    np.testing.assert_array_equal(colors[0, 0], DIVERGING[-1])
    assert np.ptp(colors[3, 3].astype(int)) <= 4
    red, _, blue = colors[7, 0].astype(int)
    assert blue > red + 20


def test_outlier_pixel_does_not_dim_the_map() -> None:
    map_HW = np.tile(np.linspace(0, 1, 10), (10, 2))[:, :10].copy()
    map_HW[0, 0] = 1e6
    shown = read(picture(np.zeros((10, 10, 3), np.uint8), [Panel(map_HW, False)], "side_by_side"))
    assert len(np.unique(shown[-1, -260:], axis=0)) >= 2


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("layout", ["side_by_side", "blend"])
@pytest.mark.parametrize("value", [0.0, 3.0, -2.0])
def test_flat_map_is_flagged_and_drawn_in_one_color(value: float, signed: bool, layout: Layout) -> None:
    map_HW = np.full((8, 8), value)
    assert is_flat(map_HW)
    shown = drawn(map_HW, signed=signed, layout=layout)
    if layout == "side_by_side":
        color = DIVERGING[128] if signed else SEQUENTIAL[0]
        assert np.abs(shown[:, 8 * SCALE + GAP :].astype(int) - color).max() <= 2


def test_is_flat_allows_rounding_errors_only() -> None:
    assert not is_flat(np.array([[1.0, 1.001]]))
    assert is_flat(np.array([[1.0, 1.0 + 1e-9]]))
    assert not is_flat(np.array([[0.0, 1e-6]]))


def test_blend_shows_the_image_where_the_map_is_weak() -> None:
    map_HW = np.zeros((8, 8))
    map_HW[:, 4:] = 1.0
    shown = drawn(map_HW, signed=False, layout="blend")[::SCALE, ::SCALE].astype(float)
    assert shown.shape == (8, 8, 3)
    gray_HW = IMAGE.mean(axis=-1)
    weak = np.corrcoef(shown[:, :4].mean(axis=-1).ravel(), gray_HW[:, :4].ravel())[0, 1]
    assert weak > 0.99
    assert np.ptp(shown[:, 4:].mean(axis=-1)) < np.ptp(gray_HW[:, 4:]) / 4


def test_color_tables_have_256_even_steps() -> None:
    for table in (SEQUENTIAL, DIVERGING):
        assert table.shape == (256, 3)
        assert table.dtype == np.uint8
        steps = [np.abs(one.astype(int) - other).max() for one, other in pairwise(table)]
        assert max(steps) <= 8


@pytest.mark.parametrize(("side", "stride"), [(1, 1), (2, 1), (3, 2), (4, 4), (5, 3), (7, 5)])
def test_windows_cover_every_pixel_and_are_counted(side: int, stride: int) -> None:
    covered = np.zeros((8, 7), int)
    placed = windows(8, 7, side, stride)
    for window in placed:
        covered[window] += 1
    assert covered.min() >= 1
    assert len(placed) == count_windows(8, 7, side, stride)


def test_pace_follows_the_duration_of_runs() -> None:
    pace = Pace()
    assert pace.images == 1
    pace.record(1, RUN_SECONDS / 3.5)
    assert pace.images == 3
    pace.record(3, RUN_SECONDS / 1000)
    assert pace.images == MAX_IMAGES
    pace.record(8, 10 * RUN_SECONDS)
    assert pace.images == 1


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 7), (32, 65), (300, 200)])
def test_to_png_keeps_every_pixel(height: int, width: int) -> None:
    image_HWC = noise(height, width)
    np.testing.assert_array_equal(read(to_png(image_HWC)), image_HWC)
    turned_HWC = image_HWC.transpose(1, 0, 2)[::-1]  # not contiguous
    np.testing.assert_array_equal(read(to_png(turned_HWC)), turned_HWC)


def test_page_enlarges_small_images_only() -> None:
    assert read(page([[noise(32, 32)]])).shape == (256, 256, 3)
    assert read(page([[noise(20, 30)]])).shape == (180, 270, 3)
    np.testing.assert_array_equal(read(page([[noise(256, 300)]])), noise(256, 300))


def test_page_places_images_in_rows_on_white() -> None:
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


def test_comparison_picture_has_a_row_per_method() -> None:
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
