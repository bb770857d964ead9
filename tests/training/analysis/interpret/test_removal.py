from __future__ import annotations

import numpy as np

from training.analysis.interpret.removal import area, blurred, removal_curves


def test_curves_share_start_and_end_images() -> None:
    start_NHWC, end_NHWC = np.ones((2, 4, 4, 3), np.float32), np.zeros((2, 4, 4, 3), np.float32)
    shown: list[float] = []

    def probability(pixels_NHWC: np.ndarray) -> np.ndarray:
        shown.append(float(pixels_NHWC.mean()))
        return np.asarray(pixels_NHWC.mean(axis=(1, 2, 3)), np.float64)

    orders = list(np.random.default_rng(0).random((3, 2, 4, 4)))
    curves_MNS = removal_curves(probability, start_NHWC, end_NHWC, orders)
    assert curves_MNS.shape == (3, 2, 17)
    assert len(shown) == 2 + 15 * 3
    np.testing.assert_allclose(curves_MNS, np.broadcast_to(np.linspace(1, 0, 17), (3, 2, 17)))


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
