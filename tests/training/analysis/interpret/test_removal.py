from __future__ import annotations

import numpy as np

from training.analysis.interpret.removal import DRAWS, area, blurred, curves_against_moved, moved, removal_curves

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
    one_NHW[:, 0, 0], one_NHW[:, 0, 1] = 2, 1  # the lesser to the right of the greater, unless it is turned
    elsewhere_NHW = moved(one_NHW, np.random.default_rng(0))
    down_N, right_N = np.unravel_index(elsewhere_NHW.reshape(200, -1).argmax(axis=1), (5, 7))
    assert set(down_N) == set(range(5))
    assert set(right_N) == set(range(7))
    beside_N = elsewhere_NHW[np.arange(200), down_N, (right_N + 1) % 7]
    assert 60 < (beside_N == 1).sum() < 140


def patch_unless_rough(pixels_NHWC: np.ndarray) -> np.ndarray:
    """Mean brightness of the object at (2 to 10, 2 to 10), close to 0 if neighboring pixels differ."""
    gray_NHW = pixels_NHWC.mean(axis=3)
    rough_N = np.abs(np.diff(gray_NHW, axis=1)).mean(axis=(1, 2)) + np.abs(np.diff(gray_NHW, axis=2)).mean(axis=(1, 2))
    return np.asarray(gray_NHW[:, 2:10, 2:10].mean(axis=(1, 2)) * np.exp(-10 * rough_N), np.float64)


def bumps(images: int, *, center: float) -> np.ndarray:
    """Smooth maps that are highest at (center, center)."""
    places = np.arange(SIDE) - center
    return np.tile(np.exp(-(places[:, None] ** 2 + places**2) / 18), (images, 1, 1))


def test_moved_baseline_is_fair_to_coarse_maps() -> None:
    images_NHWC, black_NHWC = np.ones((30, SIDE, SIDE, 3), np.float32), np.zeros((30, SIDE, SIDE, 3), np.float32)
    right_NHW, wrong_NHW = bumps(30, center=5.5), bumps(30, center=12.5)
    own_NS, moved_NS = curves_against_moved(patch_unless_rough, images_NHWC, black_NHWC, right_NHW, seed=0)
    scattered_NHW = np.random.default_rng(0).random(right_NHW.shape)
    (scattered_NS,) = removal_curves(patch_unless_rough, images_NHWC, black_NHWC, [scattered_NHW])
    assert area(scattered_NS).mean() < area(own_NS).mean()  # so that it would fail against pixels in random order
    assert (area(moved_NS) - area(own_NS)).mean() > 0.05
    own_NS, moved_NS = curves_against_moved(patch_unless_rough, images_NHWC, black_NHWC, wrong_NHW, seed=0)
    assert (area(moved_NS) - area(own_NS)).mean() < 0


def test_curves_share_start_and_end_images() -> None:
    start_NHWC, end_NHWC = np.ones((2, 4, 4, 3), np.float32), np.zeros((2, 4, 4, 3), np.float32)
    shown: list[float] = []

    def probability(pixels_NHWC: np.ndarray) -> np.ndarray:
        shown.append(float(pixels_NHWC.mean()))
        return np.asarray(pixels_NHWC.mean(axis=(1, 2, 3)), np.float64)

    maps_NHW = np.random.default_rng(0).random((2, 4, 4))
    own_NS, moved_NS = curves_against_moved(probability, start_NHWC, end_NHWC, maps_NHW, seed=0)
    assert own_NS.shape == moved_NS.shape == (2, 17)
    assert len(shown) == 2 + 15 * (1 + DRAWS)
    np.testing.assert_allclose(own_NS[0], np.linspace(1, 0, 17))
    np.testing.assert_allclose(moved_NS, own_NS)


def test_removal_curves_follow_the_order_of_the_map() -> None:
    start_NHWC, end_NHWC = np.zeros((1, 2, 2, 3), np.float32), np.ones((1, 2, 2, 3), np.float32)
    map_NHW = np.array([[[0.1, 0.9], [0.5, 0.2]]])
    seen: list[list[float]] = []

    def probability(pixels_NHWC: np.ndarray) -> np.ndarray:
        seen.append(pixels_NHWC[0, :, :, 0].ravel().tolist())
        return np.asarray(pixels_NHWC.mean(axis=(1, 2, 3)), np.float64)

    (curve_NS,) = removal_curves(probability, start_NHWC, end_NHWC, [map_NHW], steps=4)
    assert seen == [[0, 0, 0, 0], [0, 1, 0, 0], [0, 1, 1, 0], [0, 1, 1, 1], [1, 1, 1, 1]]
    np.testing.assert_allclose(curve_NS, [[0, 0.25, 0.5, 0.75, 1]])
    np.testing.assert_allclose(area(curve_NS), [0.5])


def test_blurred_keeps_a_uniform_image() -> None:
    plain_NHWC = np.full((1, 16, 16, 3), 0.25, np.float32)
    np.testing.assert_allclose(blurred(plain_NHWC), plain_NHWC, rtol=1e-6)
