from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from core.statistics.intervals import proportion
from training.analysis.mistakes.properties import edge_density, image_properties, off_centre, pattern, separation


def test_fifths_hold_the_images_in_rising_order() -> None:
    values_N = np.random.default_rng(0).permutation(100) / 100
    wrong_N = values_N >= 0.8  # exactly the last fifth
    found = pattern("brightness", values_N, wrong_N)
    assert [part.images for part in found.bins] == [20] * 5
    assert [part.error.value for part in found.bins] == [0, 0, 0, 0, 1]
    assert found.bins[0].error == proportion(0, 20)
    assert (found.bins[1].low, found.bins[1].high) == (0.2, 0.39)
    assert found.trend.value == 1
    assert found.trend.low > 0.7
    assert found.separation is not None
    assert found.separation.value == 1


def test_pattern_of_an_unrelated_property_has_no_trend() -> None:
    random = np.random.default_rng(1)
    found = pattern("contrast", random.random(2000), random.random(2000) < 0.3)
    assert found.trend.low < 0 < found.trend.high
    assert found.separation is not None
    assert found.separation.low < 0.5 < found.separation.high


def test_separation_is_the_roc_area_with_ties() -> None:
    random = np.random.default_rng(2)
    values_N, wrong_N = random.integers(0, 6, 200).astype(np.float64), random.random(200) < 0.4
    assert separation(values_N, wrong_N) == pytest.approx(roc_auc_score(wrong_N, values_N))


def test_pattern_without_mistakes_has_no_separation() -> None:
    found = pattern("edges", np.arange(10.0), np.zeros(10, np.bool_))
    assert found.separation is None
    assert found.trend.value == 0


def test_edge_density_of_a_ramp_is_its_slope() -> None:
    ramp_HW = np.tile(np.arange(16) * 10, (16, 1)).astype(np.uint8)
    ramp, plain = (np.repeat(values[None, :, :, None], 3, axis=-1) for values in (ramp_HW, np.full_like(ramp_HW, 90)))
    # 14 of 16 columns see the whole slope, the two at the border half of it
    expected = 10 / 255 * 15 / 16
    np.testing.assert_allclose(edge_density(np.concatenate([ramp, plain])), [expected, 0], atol=1e-9)
    np.testing.assert_allclose(edge_density(ramp.transpose(0, 2, 1, 3)), [expected], atol=1e-9)


def test_centroid_is_in_units_of_half_the_side() -> None:
    maps_NHW = np.zeros((4, 8, 8))
    maps_NHW[0] = 1
    maps_NHW[1, 3:5, 7] = 1  # at the right border, 7/8 of a half side from the middle
    maps_NHW[2, 0, 0] = 5
    np.testing.assert_allclose(off_centre(maps_NHW), [0, 7 / 8, np.hypot(7 / 8, 7 / 8), 0], atol=1e-12)


def test_properties_of_plain_and_checkered_images() -> None:
    plain = np.full((8, 8, 3), 51, np.uint8)
    checkered = np.indices((8, 8)).sum(axis=0)[..., None].repeat(3, axis=-1) % 2 * 255
    images_NHWC = np.stack([plain, checkered.astype(np.uint8)])
    random_NHWC = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3), dtype=np.uint8)
    found = image_properties(images_NHWC, np.concatenate([random_NHWC, images_NHWC[1:]]))
    np.testing.assert_allclose(found["brightness"], [0.2, 0.5], atol=1e-6)
    np.testing.assert_allclose(found["contrast"], [0, 0.5], atol=1e-6)
    assert found["similarity"][1] == pytest.approx(1, abs=1e-5)
