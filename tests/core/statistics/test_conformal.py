"""Conformal prediction: rank computed by hand, simulated coverage, and rounding of probabilities."""

import json

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import betabinom

from core.statistics.conformal import (
    beta_binomial_cdf,
    conformal_rank,
    conformal_threshold,
    coverage_band,
    prediction_set,
    prediction_set_mask,
)

Floats = npt.NDArray[np.float64]


def simulated(images: int, seed: int) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Probabilities of an overconfident model over 5 classes, and labels drawn from less extreme ones."""
    generator = np.random.default_rng(seed)
    logits_NK = generator.normal(0, 1.5, (images, 5))
    exponentials_NK = np.exp(logits_NK)
    labels_N = (
        np.cumsum(exponentials_NK / exponentials_NK.sum(1, keepdims=True), axis=1) < generator.random((images, 1))
    ).sum(1)
    sharp_NK = np.exp(3 * logits_NK)
    return sharp_NK / sharp_NK.sum(1, keepdims=True), labels_N


def with_truth_at(*probabilities: float) -> tuple[Floats, npt.NDArray[np.int64]]:
    truth_N = np.array(probabilities)
    return np.stack([truth_N, 1 - truth_N], axis=1), np.zeros(len(truth_N), dtype=np.int64)


class TestThreshold:
    @pytest.mark.parametrize(
        ("coverage", "expected"),
        # ranks 5, 6, 8 and 9 of the nine probabilities from the greatest: ceil(10 * coverage)
        [(0.5, 0.5), (0.55, 0.375), (0.8, 0.125), (0.9, 0.0625), (0.91, 0.0)],
    )
    def test_is_the_ranked_probability_of_the_true_class(self, coverage: float, expected: float) -> None:
        probabilities_NK, labels_N = with_truth_at(0.5, 1.0, 0.0625, 0.875, 0.125, 0.75, 0.25, 0.625, 0.375)
        assert conformal_threshold(probabilities_NK, labels_N, coverage) == expected

    def test_rank_is_robust_to_floating_point_rounding(self) -> None:
        """100 * 0.55 in binary is above 55, but the rank is 55 of 99."""
        truth_N = np.arange(99, 0, -1) / 128
        assert conformal_threshold(*with_truth_at(*truth_N), coverage=0.55) == truth_N[54]

    def test_with_too_few_images_every_class_belongs(self) -> None:
        threshold = conformal_threshold(*with_truth_at(*[0.9] * 98), coverage=0.99)
        assert threshold == 0.0
        assert prediction_set(np.array([0.0, 1.0]), threshold) == [1, 0]
        assert conformal_threshold(*with_truth_at(*[0.875] * 99), coverage=0.99) == 0.875

    @pytest.mark.parametrize("coverage", [0.0, 1.0, 99.0])
    def test_impossible_coverage(self, coverage: float) -> None:
        with pytest.raises(ValueError, match="coverage"):
            conformal_threshold(*with_truth_at(0.5, 0.5), coverage=coverage)

    @pytest.mark.parametrize(("images", "labels"), [(0, 0), (3, 2)])
    def test_threshold_needs_a_label_per_image(self, images: int, labels: int) -> None:
        with pytest.raises(ValueError, match="labels"):
            conformal_threshold(np.full((images, 2), 0.5), np.zeros(labels, dtype=np.int64))


class TestCoverage:
    @pytest.mark.parametrize("coverage", [0.8, 0.9, 0.99])
    def test_coverage_of_new_images_is_near_the_target(self, coverage: float) -> None:
        """Over repetitions the mean coverage lies in [coverage, coverage + 1 / (n + 1)] (Lei et al. 2018)."""
        calibration, repetitions = 200, 400
        covered = []
        for seed in range(repetitions):
            probabilities_NK, labels_N = simulated(calibration + 500, seed)
            threshold = conformal_threshold(probabilities_NK[:calibration], labels_N[:calibration], coverage)
            mask_NK = prediction_set_mask(probabilities_NK[calibration:], threshold)
            covered.append(mask_NK[np.arange(500), labels_N[calibration:]].mean())
        error = np.std(covered) / np.sqrt(repetitions)
        assert coverage - 3 * error <= np.mean(covered) <= coverage + 1 / (calibration + 1) + 3 * error + 0.002

    @given(st.integers(0, 10_000), st.integers(1, 300), st.floats(0.5, 0.995))
    def test_calibration_images_are_covered_up_to_the_rank(self, seed: int, images: int, coverage: float) -> None:
        probabilities_NK, labels_N = simulated(images, seed)
        mask_NK = prediction_set_mask(probabilities_NK, conformal_threshold(probabilities_NK, labels_N, coverage))
        rank = min(images, int(np.ceil(round((images + 1) * coverage, 9))))
        assert np.count_nonzero(mask_NK[np.arange(images), labels_N]) >= rank


class TestRounding:
    @given(st.integers(0, 10_000), st.floats(0.3, 0.97))
    def test_image_at_the_threshold_is_covered(self, seed: int, coverage: float) -> None:
        """The calibration image stays in its set in double and single precision, and after a JSON round trip."""
        probabilities_NK, labels_N = simulated(50, seed)
        stored_NK = probabilities_NK.astype(np.float32)
        threshold = json.loads(json.dumps(conformal_threshold(probabilities_NK, labels_N, coverage)))
        assert threshold == conformal_threshold(stored_NK, labels_N, coverage)
        truth_N = stored_NK[np.arange(50), labels_N]
        (at_threshold,) = np.flatnonzero(truth_N.astype(np.float64) == threshold)
        for variant_NK in (probabilities_NK, stored_NK, stored_NK.astype(np.float64)):
            assert labels_N[at_threshold] in prediction_set(variant_NK[at_threshold], threshold)
            assert prediction_set_mask(variant_NK, threshold)[at_threshold, labels_N[at_threshold]]

    def test_threshold_of_one_tenth_is_inclusive(self) -> None:
        """float32(0.1) is above 0.1 and float32(0.7) below 0.7: comparing in double precision would lose one."""
        for tenth in (0.1, 0.7):
            threshold = conformal_threshold(np.array([[tenth, 1 - tenth]] * 3), np.zeros(3, dtype=np.int64), 0.5)
            assert prediction_set_mask(np.array([[tenth, 1 - tenth]]), threshold)[0, 0]
            assert prediction_set_mask(np.array([[tenth, 1 - tenth]], dtype=np.float32), threshold)[0, 0]


class TestSets:
    def test_prediction_set_is_sorted_by_probability(self) -> None:
        probabilities_K = np.array([0.125, 0.5, 0.0625, 0.25, 0.0625])
        assert prediction_set(probabilities_K, 0.125) == [1, 3, 0]
        assert prediction_set(probabilities_K, 0.0) == [1, 3, 0, 2, 4]

    def test_prediction_set_contains_the_top_class(self) -> None:
        probabilities_K = np.array([0.3, 0.4, 0.3])
        assert prediction_set(probabilities_K, 0.9) == [1]
        assert prediction_set_mask(probabilities_K[None], 0.9).tolist() == [[False, True, False]]

    @given(
        arrays(np.float32, st.tuples(st.integers(1, 6), st.integers(2, 8)), elements=st.floats(0, 1, width=32)),
        st.floats(0, 1),
    )
    def test_list_and_mask_name_the_same_classes(
        self, probabilities_NK: npt.NDArray[np.float32], threshold: float
    ) -> None:
        mask_NK = prediction_set_mask(probabilities_NK, threshold)
        for probabilities_K, mask_K in zip(probabilities_NK, mask_NK, strict=True):
            members = prediction_set(probabilities_K, threshold)
            assert sorted(members) == np.flatnonzero(mask_K).tolist()
            assert members[0] == probabilities_K.argmax()
            assert (np.diff(probabilities_K[members]) <= 0).all()


@pytest.mark.parametrize(
    ("trials", "alpha", "beta"),
    [(1, 1, 1), (7, 3, 2), (2_000, 500, 1), (10_000, 4_951, 50), (300, 1, 200), (50, 90, 90)],
)
def test_cdf_agrees_with_scipy(trials: int, alpha: int, beta: int) -> None:
    expected = betabinom.cdf(np.arange(trials + 1), trials, alpha, beta)
    np.testing.assert_allclose(beta_binomial_cdf(trials, alpha, beta), expected, atol=1e-9)


def test_band_of_cifar10_is_the_one_of_the_literature() -> None:
    """With 5,000 calibration and 10,000 test images the band is wider than the binomial one, 98.80 to 99.19 %."""
    assert coverage_band(10_000, 5_000, 0.99) == (0.9864, 0.9931)


@pytest.mark.parametrize("confidence", [0.5, 0.95])
@pytest.mark.parametrize(
    ("images", "fitted_on", "coverage"), [(1, 1, 0.5), (10, 20, 0.9), (500, 99, 0.99), (400, 300, 0.8), (30, 5, 0.9)]
)
def test_band_is_the_narrowest_central_one(images: int, fitted_on: int, coverage: float, confidence: float) -> None:
    rank = conformal_rank(fitted_on, coverage)
    low, high = (round(share * images) for share in coverage_band(images, fitted_on, coverage, confidence))
    if rank > fitted_on:
        assert (low, high) == (images, images)
        return
    covered, tail = betabinom(images, rank, fitted_on + 1 - rank), (1 - confidence) / 2
    assert covered.cdf(low - 1) <= tail + 1e-9
    assert covered.cdf(low) > tail - 1e-9
    assert covered.sf(high) <= tail + 1e-9
    assert covered.sf(high - 1) > tail - 1e-9 or high == 0


def test_too_few_images_for_the_promise_cover_everything() -> None:
    assert coverage_band(10, 50, 0.99) == (1.0, 1.0)
    assert coverage_band(10, 99, 0.99) != (1.0, 1.0)


@pytest.mark.parametrize(
    "arguments", [(0, 5, 0.9, 0.9), (5, 0, 0.9, 0.9), (5, 5, 0.0, 0.9), (5, 5, 1.0, 0.9), (5, 5, 0.9, 1.0)]
)
def test_arguments_out_of_range(arguments: tuple[int, int, float, float]) -> None:
    with pytest.raises(ValueError, match="calibration_images"):
        coverage_band(*arguments)
