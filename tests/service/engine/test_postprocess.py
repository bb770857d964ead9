"""Postprocessing equals the functions of core.statistics."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.repository.graph_records import Calibration
from core.statistics.calibration import softmax
from core.statistics.conformal import prediction_set_mask
from core.statistics.energy import energy
from service.engine.postprocess import postprocess


def calibration(temperature: float = 1.0, threshold: float = 0.01) -> Calibration:
    return Calibration(
        temperature=temperature, conformal_threshold=threshold, coverage=0.99, ood_threshold=0.0, ood_flag_rate=0.05
    )


@given(
    seed=st.integers(0, 10_000),
    images=st.integers(1, 33),
    classes=st.integers(2, 12),
    scale=st.sampled_from([0.0, 1.0, 30.0, 1e4]),
    temperature=st.floats(0.05, 20),
    threshold=st.floats(0, 1),
)
def test_postprocess_equals_core_statistics(
    seed: int, images: int, classes: int, scale: float, temperature: float, threshold: float
) -> None:
    logits_NK = (np.random.default_rng(seed).normal(size=(images, classes)) * scale).astype(np.float32)
    outputs = postprocess(logits_NK, calibration(temperature, threshold))
    probabilities_NK = softmax(logits_NK, temperature)
    np.testing.assert_allclose(outputs.probabilities, probabilities_NK, atol=0.6e-6)
    np.testing.assert_allclose(outputs.energies, energy(logits_NK), rtol=1e-12, atol=1e-12)
    ordered_NK = np.take_along_axis(probabilities_NK, np.array(outputs.order), axis=1)
    assert (np.diff(ordered_NK, axis=1) <= 1e-12).all()
    clear = np.abs(probabilities_NK - threshold).min(axis=1) > 1e-6
    sizes_N = prediction_set_mask(probabilities_NK, threshold).sum(axis=1)
    np.testing.assert_array_equal(np.array(outputs.set_sizes)[clear], sizes_N[clear])


def test_equal_classes_keep_their_order() -> None:
    outputs = postprocess(np.zeros((1, 4), np.float32), calibration(threshold=0.9))
    assert outputs.order == [[0, 1, 2, 3]]
    assert outputs.set_sizes == [1]


@pytest.mark.parametrize("threshold", [0.25, np.nextafter(np.float32(0.25), np.float32(1))])
def test_class_at_the_threshold_is_in_the_set(threshold: float) -> None:
    outputs = postprocess(np.zeros((1, 4), np.float32), calibration(threshold=float(threshold)))
    assert outputs.set_sizes == [4 if threshold == 0.25 else 1]
