from __future__ import annotations

import numpy as np

from training.analysis.interpret.controls import center_map, image_controls, mean_of_others, moved, other_images
from training.analysis.interpret.removal import area, removal_curves

SIDE = 16


def test_moved_keeps_values_and_spectrum() -> None:
    maps_NHW = np.random.default_rng(0).normal(size=(12, 6, 8)).cumsum(axis=2)
    elsewhere_NHW = moved(maps_NHW, np.random.default_rng(1))
    for before_HW, after_HW in zip(maps_NHW, elsewhere_NHW, strict=True):
        np.testing.assert_array_equal(np.sort(after_HW, axis=None), np.sort(before_HW, axis=None))
        power_HW, power_before_HW = (np.abs(np.fft.fft2(each)) for each in (after_HW, before_HW))
        np.testing.assert_allclose(power_HW, power_before_HW, atol=1e-9)
    assert sum(np.array_equal(*pair) for pair in zip(maps_NHW, elsewhere_NHW, strict=True)) <= 1
    np.testing.assert_array_equal(elsewhere_NHW, moved(maps_NHW, np.random.default_rng(1)))


def test_moved_draws_shift_and_rotation_per_map() -> None:
    one_NHW = np.zeros((200, 5, 7))
    one_NHW[:, 0, 0], one_NHW[:, 0, 1] = 2, 1  # the smaller value is to the right of the larger one, unless rotated
    elsewhere_NHW = moved(one_NHW, np.random.default_rng(0))
    down_N, right_N = np.unravel_index(elsewhere_NHW.reshape(200, -1).argmax(axis=1), (5, 7))
    assert set(down_N) == set(range(5))
    assert set(right_N) == set(range(7))
    beside_N = elsewhere_NHW[np.arange(200), down_N, (right_N + 1) % 7]
    assert 60 < (beside_N == 1).sum() < 140


def test_other_image_has_the_same_target() -> None:
    target_N = np.array([3, 1, 3, 1, 3, 7])
    other_N = other_images(target_N)
    assert other_N.tolist() == [2, 3, 4, 1, 0, 0]  # the only image of target 7 gets the next image
    assert other_images(np.array([5])).tolist() == [0]


def test_mean_of_others_leaves_out_the_own_map_and_large_values() -> None:
    maps_NHW = np.zeros((3, 2, 2))
    maps_NHW[0, 0, 0], maps_NHW[1, 0, 1], maps_NHW[2, 1, 1] = 1000, 2, 3
    expected_NHW = np.array([[[0, 0.5], [0, 0.5]], [[0.5, 0], [0, 0.5]], [[0.5, 0.5], [0, 0]]])
    np.testing.assert_allclose(mean_of_others(maps_NHW), expected_NHW, atol=1e-12)
    np.testing.assert_array_equal(mean_of_others(maps_NHW[:1]), maps_NHW[:1])


def test_center_map_falls_with_the_distance_and_is_symmetric() -> None:
    map_HW = center_map(5, 4)
    assert map_HW.argmax() in (9, 10)
    np.testing.assert_array_equal(map_HW, map_HW[::-1, ::-1])
    assert map_HW[2, 1] > map_HW[2, 0] > map_HW[0, 0]


def test_image_controls_are_reproducible() -> None:
    maps_NHW, target_N = np.random.default_rng(0).random((6, 4, 4)), np.arange(6) % 2
    first, again = (image_controls(maps_NHW, target_N, np.random.default_rng(2)) for _ in range(2))
    assert list(first) == ["moved", "other_image", "mean_map"]
    for name, control_NHW in first.items():
        np.testing.assert_array_equal(control_NHW, again[name])
    np.testing.assert_array_equal(first["other_image"][0], maps_NHW[2])


def patch_unless_rough(pixels_NHWC: np.ndarray) -> np.ndarray:
    """Mean brightness of the object at (2 to 10, 2 to 10), close to 0 if neighboring pixels differ."""
    gray_NHW = pixels_NHWC.mean(axis=3)
    rough_N = np.abs(np.diff(gray_NHW, axis=1)).mean(axis=(1, 2)) + np.abs(np.diff(gray_NHW, axis=2)).mean(axis=(1, 2))
    return np.asarray(gray_NHW[:, 2:10, 2:10].mean(axis=(1, 2)) * np.exp(-10 * rough_N), np.float64)


def bumps(images: int, *, center: float) -> np.ndarray:
    """Smooth maps that are highest at (center, center)."""
    places = np.arange(SIDE) - center
    return np.tile(np.exp(-(places[:, None] ** 2 + places**2) / 18), (images, 1, 1))


def test_moved_control_is_fair_to_coarse_maps() -> None:
    images_NHWC, black_NHWC = np.ones((30, SIDE, SIDE, 3), np.float32), np.zeros((30, SIDE, SIDE, 3), np.float32)

    def against_moved(maps_NHW: np.ndarray) -> np.ndarray:
        orders = [maps_NHW, moved(maps_NHW, np.random.default_rng(0))]
        return removal_curves(patch_unless_rough, images_NHWC, black_NHWC, orders)

    right_NHW, wrong_NHW = bumps(30, center=5.5), bumps(30, center=12.5)
    own_NS, moved_NS = against_moved(right_NHW)
    scattered_NHW = np.random.default_rng(0).random(right_NHW.shape)
    (scattered_NS,) = removal_curves(patch_unless_rough, images_NHWC, black_NHWC, [scattered_NHW])
    assert area(scattered_NS).mean() < area(own_NS).mean()  # so that it would fail against pixels in random order
    assert (area(moved_NS) - area(own_NS)).mean() > 0.05
    own_NS, moved_NS = against_moved(wrong_NHW)
    assert (area(moved_NS) - area(own_NS)).mean() < 0
