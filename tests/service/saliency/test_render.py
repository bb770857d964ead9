"""Rendered maps, baselines and windows, pixel by pixel."""

from __future__ import annotations

import io
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from service.engine.arrays import Pixels
from service.engine.pace import MAX_IMAGES, RUN_SECONDS, Pace
from service.saliency.baselines import Baseline, baseline_image
from service.saliency.methods import Doubles
from service.saliency.render import DIVERGING, SEQUENTIAL, Layout, Panel, is_flat, picture
from service.saliency.windows import count_windows, windows

SCALE, GAP = 32, 32
IMAGE = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)


def drawn(map_HW: Doubles, *, signed: bool, layout: Layout = "side_by_side") -> Pixels:
    with Image.open(io.BytesIO(picture(IMAGE, [Panel(map_HW, signed)], layout))) as image:
        return np.asarray(image.convert("RGB"))


def test_the_image_is_on_the_left_and_each_of_its_pixels_a_square() -> None:
    page = drawn(np.zeros((8, 8)), signed=False)
    assert page.shape == (8 * SCALE, 2 * 8 * SCALE + GAP, 3)
    np.testing.assert_array_equal(page[:, : 8 * SCALE], np.kron(IMAGE, np.ones((SCALE, SCALE, 1), np.uint8)))
    assert (page[:, 8 * SCALE : 8 * SCALE + GAP] == 255).all()


def test_an_unsigned_map_goes_from_dark_to_bright() -> None:
    ramp_HW = np.arange(64.0).reshape(8, 8) + 100
    colours = drawn(ramp_HW, signed=False)[::SCALE, 8 * SCALE + GAP :: SCALE]
    np.testing.assert_array_equal(colours[0, 0], SEQUENTIAL[0])
    np.testing.assert_array_equal(colours[7, 7], SEQUENTIAL[-1])
    brightness = colours.reshape(64, 3) @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(brightness) >= -1).all()


def test_zero_of_a_signed_map_is_gray_whatever_its_extremes() -> None:
    map_HW = np.zeros((8, 8))
    map_HW[0], map_HW[7] = 4.0, -1.0
    colours = drawn(map_HW, signed=True)[::SCALE, 8 * SCALE + GAP :: SCALE]
    np.testing.assert_array_equal(colours[0, 0], DIVERGING[-1])
    assert np.ptp(colours[3, 3].astype(int)) <= 4
    red, _, blue = colours[7, 0].astype(int)
    assert blue > red + 20


def test_one_pixel_that_stands_out_does_not_dim_the_rest() -> None:
    map_HW = np.tile(np.linspace(0, 1, 10), (10, 2))[:, :10].copy()
    map_HW[0, 0] = 1e6
    with Image.open(io.BytesIO(picture(np.zeros((10, 10, 3), np.uint8), [Panel(map_HW, False)], "side_by_side"))) as it:
        page = np.asarray(it.convert("RGB"))
    assert len(np.unique(page[-1, -260:], axis=0)) >= 2


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("layout", ["side_by_side", "blend"])
@pytest.mark.parametrize("value", [0.0, 3.0, -2.0])
def test_flat_maps_are_flagged_and_drawn_in_one_color(value: float, signed: bool, layout: Layout) -> None:
    map_HW = np.full((8, 8), value)
    assert is_flat(map_HW)
    page = drawn(map_HW, signed=signed, layout=layout)
    if layout == "side_by_side":
        color = DIVERGING[128] if signed else SEQUENTIAL[0]
        assert np.abs(page[:, 8 * SCALE + GAP :].astype(int) - color).max() <= 2


def test_a_map_that_differs_by_more_than_rounding_is_not_flat() -> None:
    assert not is_flat(np.array([[1.0, 1.001]]))
    assert is_flat(np.array([[1.0, 1.0 + 1e-9]]))
    assert not is_flat(np.array([[0.0, 1e-6]]))


def test_blended_maps_let_the_image_through_where_they_are_weak() -> None:
    map_HW = np.zeros((8, 8))
    map_HW[:, 4:] = 1.0
    page = drawn(map_HW, signed=False, layout="blend")[::SCALE, ::SCALE].astype(float)
    assert page.shape == (8, 8, 3)
    gray_HW = IMAGE.mean(axis=-1)
    weak = np.corrcoef(page[:, :4].mean(axis=-1).ravel(), gray_HW[:, :4].ravel())[0, 1]
    assert weak > 0.99
    assert np.ptp(page[:, 4:].mean(axis=-1)) < np.ptp(gray_HW[:, 4:]) / 4


def test_color_maps_are_whole_and_even() -> None:
    for table in (SEQUENTIAL, DIVERGING):
        assert table.shape == (256, 3)
        assert table.dtype == np.uint8
        steps = [np.abs(one.astype(int) - other).max() for one, other in pairwise(table)]
        assert max(steps) <= 8


@pytest.mark.parametrize(("name", "value"), [("black", 0), ("white", 255)])
def test_baselines_of_one_color(name: Baseline, value: int) -> None:
    assert (baseline_image(name, IMAGE, (0.1, 0.2, 0.3)) == value).all()


def test_the_mean_is_that_of_the_training_images() -> None:
    mean = baseline_image("mean", IMAGE, (0.1, 0.2, 0.3))
    assert mean.shape == IMAGE.shape
    assert mean[5, 5].tolist() == [26, 51, 76]


def test_a_blurred_image_keeps_its_brightness_and_loses_its_detail() -> None:
    flat = np.full((8, 8, 3), 77, np.uint8)
    np.testing.assert_array_equal(baseline_image("blur", flat, (0, 0, 0)), flat)
    blurred = baseline_image("blur", IMAGE, (0, 0, 0)).astype(float)
    assert blurred.std() < IMAGE.std() / 2
    assert abs(blurred.mean() - IMAGE.mean()) < 8


@pytest.mark.parametrize(("side", "stride"), [(1, 1), (2, 1), (3, 2), (4, 4), (5, 3), (7, 5)])
def test_windows_cover_every_pixel_and_are_counted(side: int, stride: int) -> None:
    covered = np.zeros((8, 7), int)
    placed = windows(8, 7, side, stride)
    for window in placed:
        covered[window] += 1
    assert covered.min() >= 1
    assert len(placed) == count_windows(8, 7, side, stride)


def test_runs_are_short_whatever_the_model_takes() -> None:
    pace = Pace()
    assert pace.images == 1
    pace.record(1, RUN_SECONDS / 3.5)
    assert pace.images == 3
    pace.record(3, RUN_SECONDS / 1000)
    assert pace.images == MAX_IMAGES
    pace.record(8, 10 * RUN_SECONDS)
    assert pace.images == 1
