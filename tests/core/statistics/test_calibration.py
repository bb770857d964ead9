"""Calibration against hand-computed cases, scikit-learn and data whose calibration is known."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import softmax as scipy_softmax
from sklearn.metrics import brier_score_loss
from sklearn.metrics import log_loss as sklearn_log_loss

from core.statistics.calibration import (
    brier_score,
    calibrated_ece,
    expected_calibration_error,
    fit_biases,
    fit_temperature,
    log_loss,
    reliability,
    softmax,
)

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
finite_logits = arrays(np.float64, st.tuples(st.integers(1, 8), st.integers(2, 6)), elements=st.floats(-1e3, 1e3))


def labels_drawn_from(probabilities_NK: Floats, seed: int = 0) -> Ints:
    """Labels drawn with the given probabilities, which are therefore perfectly calibrated."""
    uniform_N = np.random.default_rng(seed).random(len(probabilities_NK))
    return np.asarray((probabilities_NK.cumsum(axis=1) < uniform_N[:, None]).sum(axis=1))


def random_logits(images: int, classes: int = 10, scale: float = 2.0, seed: int = 1) -> Floats:
    return np.random.default_rng(seed).normal(0, scale, (images, classes))


class TestSoftmax:
    @given(finite_logits, st.floats(0.05, 20))
    def test_agrees_with_scipy(self, logits_NK: Floats, temperature: float) -> None:
        expected_NK = scipy_softmax(logits_NK / temperature, axis=1)
        np.testing.assert_allclose(softmax(logits_NK, temperature), expected_NK, rtol=1e-12, atol=1e-300)

    def test_huge_logits_do_not_overflow_or_underflow(self) -> None:
        np.testing.assert_array_equal(softmax(np.array([[1e30, 1e30, -1e30]], dtype=np.float32)), [[0.5, 0.5, 0.0]])

    def test_softmax_is_independent_of_the_batch(self) -> None:
        logits_NK = random_logits(33).astype(np.float32)
        np.testing.assert_array_equal(softmax(logits_NK, 1.3)[7], softmax(logits_NK[7], 1.3))


class TestFitTemperature:
    @pytest.mark.parametrize("temperature", [0.3, 1.0, 1.7, 5.0])
    def test_recovers_the_temperature_that_made_the_labels(self, temperature: float) -> None:
        logits_NK = random_logits(40_000, scale=3.0)
        onehot_NK = np.eye(10)[labels_drawn_from(softmax(logits_NK, temperature))]
        assert fit_temperature(logits_NK, onehot_NK) == pytest.approx(temperature, rel=0.03)

    def test_fitted_temperature_minimizes_the_log_loss(self) -> None:
        logits_NK = random_logits(2_000)
        onehot_NK = np.eye(10)[labels_drawn_from(softmax(logits_NK, 2.5))]
        best = fit_temperature(logits_NK, onehot_NK)
        least = log_loss(softmax(logits_NK, best), onehot_NK)
        for factor in (0.5, 0.9, 0.99, 1.01, 1.1, 2.0):
            assert log_loss(softmax(logits_NK, best * factor), onehot_NK) > least

    def test_temperature_of_perfect_models_is_at_the_bounds(self) -> None:
        onehot_NK = np.eye(3)[np.array([0, 1, 2, 0])]
        assert 0.01 <= fit_temperature(onehot_NK, onehot_NK) < 0.1
        assert 99 < fit_temperature(-onehot_NK, onehot_NK) <= 100

    @pytest.mark.parametrize(
        "logits_NK", [np.zeros((0, 3)), np.array([[0.0, np.nan, 1.0]]), np.array([[np.inf, 0, 0]])]
    )
    def test_needs_finite_logits(self, logits_NK: Floats) -> None:
        with pytest.raises(ValueError, match="finite logits"):
            fit_temperature(logits_NK, np.zeros_like(logits_NK))


class TestFitBiases:
    def test_fit_recovers_temperature_and_biases(self) -> None:
        logits_NK = random_logits(100_000, 4)
        biases_K = np.array([0.6, -0.4, 0.1, -0.3])
        labels_N = labels_drawn_from(softmax(logits_NK / 2 + biases_K))
        temperature, found_K = fit_biases(logits_NK, np.eye(4)[labels_N])
        assert temperature == pytest.approx(2, rel=0.03)
        np.testing.assert_allclose(found_K, biases_K, atol=0.03)
        assert found_K.sum() == pytest.approx(0, abs=1e-12)

    def test_fit_has_a_zero_gradient(self) -> None:
        """At the minimum the mean probability of each class is its share of the labels."""
        logits_NK = 5 * random_logits(500, 3)
        onehot_NK = np.eye(3)[np.arange(500) % 3]
        temperature, biases_K = fit_biases(logits_NK, onehot_NK)
        means_K = softmax(logits_NK / temperature + biases_K).mean(axis=0)
        np.testing.assert_allclose(means_K, onehot_NK.mean(axis=0), atol=1e-6)

    def test_fit_without_class_bias_equals_fit_temperature(self) -> None:
        logits_NK = random_logits(300, 3)
        every_NK = np.concatenate([np.roll(logits_NK, shift, axis=1) for shift in range(3)])
        labels_N = labels_drawn_from(softmax(logits_NK))
        targets_NK = np.eye(3)[np.concatenate([(labels_N + shift) % 3 for shift in range(3)])]
        temperature, biases_K = fit_biases(every_NK, targets_NK)
        np.testing.assert_allclose(biases_K, 0, atol=1e-6)
        assert temperature == pytest.approx(fit_temperature(every_NK, targets_NK), rel=1e-4)

    def test_soft_targets_keep_the_bias_of_an_absent_class_finite(self) -> None:
        targets_NK = np.full((50, 3), 0.01) + 0.97 * np.eye(3)[np.arange(50) % 2]
        _, biases_K = fit_biases(random_logits(50, 3), targets_NK)
        assert np.isfinite(biases_K).all()
        assert biases_K[2] < biases_K[:2].min()

    @pytest.mark.parametrize("logits_NK", [np.zeros((0, 3)), np.array([[0.0, np.nan, 1.0]])])
    def test_needs_finite_logits(self, logits_NK: Floats) -> None:
        with pytest.raises(ValueError, match="finite logits"):
            fit_biases(logits_NK, np.zeros_like(logits_NK))


class TestCalibratedECE:
    def test_calibrated_ece_agrees_with_drawn_labels(self) -> None:
        probabilities_NK = softmax(random_logits(300, 3))
        found = calibrated_ece(probabilities_NK)
        errors = []
        for seed in range(400):
            right_N = np.random.default_rng(seed).random(300) < probabilities_NK.max(axis=1)
            labels_N = np.where(right_N, probabilities_NK.argmax(axis=1), probabilities_NK.argmin(axis=1))
            errors.append(expected_calibration_error(probabilities_NK, labels_N))
        assert found.mean == pytest.approx(np.mean(errors), rel=0.05)
        assert found.percentile_95 == pytest.approx(np.percentile(errors, 95), rel=0.08)

    def test_certain_predictions_have_no_calibration_error(self) -> None:
        found = calibrated_ece(np.eye(3)[[0, 1, 2, 0]])
        assert (found.mean, found.percentile_95) == (0, 0)

    def test_calibrated_ece_depends_on_seed_not_order(self) -> None:
        probabilities_NK = softmax(random_logits(2_000, 3))
        assert calibrated_ece(probabilities_NK, seed=1) == calibrated_ece(probabilities_NK, seed=1)
        assert calibrated_ece(probabilities_NK, seed=1) != calibrated_ece(probabilities_NK, seed=2)
        turned = calibrated_ece(probabilities_NK[::-1])
        assert turned.mean == pytest.approx(calibrated_ece(probabilities_NK).mean, rel=0.05)

    def test_calibrated_ece_without_images_is_refused(self) -> None:
        with pytest.raises(ValueError, match="at least one image"):
            calibrated_ece(np.zeros((0, 3)))


class TestReliability:
    def test_reliability_matches_hand_calculation(self) -> None:
        """Two images at 0.9, one of them right, and two at 0.6, both right: 0.5 * 0.4 + 0.5 * 0.4."""
        probabilities_NK = np.array([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.6, 0.4]])
        result = reliability(probabilities_NK, np.array([0, 1, 1, 0]), bins=5)
        assert result.ece == pytest.approx(0.4)
        assert [one.count for one in result.bins] == [0, 0, 2, 0, 2]
        assert result.bins[2].confidence == pytest.approx(0.6)
        assert result.bins[2].accuracy == 1.0
        assert result.bins[4].confidence == pytest.approx(0.9)
        assert result.bins[4].accuracy == 0.5
        assert result.bins[0].confidence is None
        assert result.bins[0].accuracy is None

    def test_bins_are_open_below_and_closed_above(self) -> None:
        top = np.array([0.5, np.nextafter(0.5, 1), 0.75, 1.0])
        counts = [one.count for one in reliability(np.stack([top, 1 - top], axis=1), np.zeros(4, int), bins=4).bins]
        assert counts == [0, 1, 2, 1]

    def test_fifteen_bins_tile_the_unit_interval(self) -> None:
        bins = reliability(np.array([[0.3, 0.7]]), np.array([1])).bins
        assert len(bins) == 15
        assert (bins[0].low, bins[-1].high) == (0.0, 1.0)
        assert all(left.high == right.low for left, right in pairwise(bins))

    @given(finite_logits, st.integers(1, 20))
    def test_reliability_agrees_with_a_plain_loop(self, logits_NK: Floats, bins: int) -> None:
        probabilities_NK = softmax(logits_NK, 100.0)
        labels_N = np.arange(len(logits_NK)) % logits_NK.shape[1]
        top_N, right_N = probabilities_NK.max(axis=1), probabilities_NK.argmax(axis=1) == labels_N
        edges = np.linspace(0, 1, bins + 1)
        expected = 0.0
        for low, high in pairwise(edges):
            inside_N = (top_N > low) & (top_N <= max(high, top_N.max() if high == 1 else 0))
            if inside_N.any():
                expected += inside_N.mean() * abs(right_N[inside_N].mean() - top_N[inside_N].mean())
        assert expected_calibration_error(probabilities_NK, labels_N, bins) == pytest.approx(expected, abs=1e-12)

    @pytest.mark.parametrize(("images", "labels"), [(0, 0), (2, 3)])
    def test_reliability_needs_a_label_per_image(self, images: int, labels: int) -> None:
        with pytest.raises(ValueError, match="labels"):
            reliability(np.full((images, 2), 0.5), np.zeros(labels, int))


class TestScores:
    @given(st.integers(0, 2**32 - 1), st.integers(2, 12))
    def test_agree_with_scikit_learn(self, seed: int, classes: int) -> None:
        probabilities_NK = softmax(random_logits(40, classes, seed=seed))
        labels_N = np.random.default_rng(seed).integers(0, classes, 40)
        onehot_NK = np.eye(classes)[labels_N]
        names = np.arange(classes)
        assert log_loss(probabilities_NK, onehot_NK) == pytest.approx(
            sklearn_log_loss(labels_N, probabilities_NK, labels=names), rel=1e-9
        )
        one_against_the_rest = [brier_score_loss(onehot_NK[:, k], probabilities_NK[:, k], pos_label=1) for k in names]
        assert brier_score(probabilities_NK, onehot_NK) == pytest.approx(sum(one_against_the_rest), rel=1e-9)

    def test_scores_of_perfect_and_wrong_models(self) -> None:
        right, wrong = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
        assert brier_score(right, right) == 0.0
        assert brier_score(wrong, right) == 2.0
        assert log_loss(right, right) == 0.0
        assert log_loss(wrong, right) == pytest.approx(126 * math.log(2))
