from __future__ import annotations

import numpy as np
import pytest

from training.corruptions.geometry import grid, mirrored, rotated, sample_bilinear, shifted


def images(count: int = 4) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, size=(count, 9, 9, 3), dtype=np.uint8)


def test_mirrored_reflects_at_the_edge_pixel() -> None:
    assert mirrored(np.arange(-3, 8), 4).tolist() == [3, 2, 1, 0, 1, 2, 3, 2, 1, 0, 1]
    assert mirrored(np.arange(-2, 3), 1).tolist() == [0] * 5


def test_sample_bilinear_at_and_between_pixels() -> None:
    image_NHWC = images(1).astype(np.float64)
    rows, columns = grid(1, 9, 9)
    np.testing.assert_array_equal(sample_bilinear(image_NHWC, rows, columns), image_NHWC)
    between = sample_bilinear(image_NHWC, rows + 0.5, columns)
    np.testing.assert_allclose(between[0, 3, 3], (image_NHWC[0, 3, 3] + image_NHWC[0, 4, 3]) / 2)


def test_shift_direction_repeats_every_fourth_image() -> None:
    moved = shifted(images(), 2)
    np.testing.assert_array_equal(moved[0, :-2], images()[0, 2:])  # up
    np.testing.assert_array_equal(moved[1, :, 2:], images()[1, :, :-2])  # right
    np.testing.assert_array_equal(moved[2, 2:], images()[2, :-2])  # down
    np.testing.assert_array_equal(moved[3, :, :-2], images()[3, :, 2:])  # left
    np.testing.assert_array_equal(moved[2, 1], images()[2, 1])  # mirrored in: row -1 is row 1


def test_rotation_by_90_degrees_alternates_and_is_exact() -> None:
    turned = rotated(images(2), 90)
    assert {turned[0].tobytes(), turned[1].tobytes()} == {
        np.rot90(images(2)[0]).tobytes(),
        np.rot90(images(2)[1], -1).tobytes(),
    }


@pytest.mark.parametrize("change", [lambda x: rotated(x, 0), lambda x: shifted(x, 0)])
def test_zero_shift_and_rotation_are_the_identity(change: object) -> None:
    np.testing.assert_array_equal(change(images()), images())  # type: ignore[operator]
