"""Intervals against published values, closed forms and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, norm

from core.statistics.intervals import (
    bootstrap_confusion,
    bootstrap_interval,
    normal_quantile,
    wilson_interval,
)


class TestWilson:
    @pytest.mark.parametrize(
        ("successes", "trials", "low", "high"),
        [
            # Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 3
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0000, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ],
    )
    def test_published_values(self, successes: int, trials: int, low: float, high: float) -> None:
        assert wilson_interval(successes, trials) == pytest.approx((low, high), abs=5e-5)

    @given(st.integers(1, 20_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.5, 0.999))
    def test_agrees_with_scipy(self, counts: tuple[int, int], confidence: float) -> None:
        successes, trials = counts
        expected = binomtest(successes, trials).proportion_ci(confidence, method="wilson")
        assert wilson_interval(successes, trials, confidence) == pytest.approx((expected.low, expected.high), abs=1e-12)

    @given(st.integers(1, 20_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
    def test_holds_the_observed_share_and_mirrors(self, counts: tuple[int, int]) -> None:
        successes, trials = counts
        low, high = wilson_interval(successes, trials)
        assert 0 <= low <= successes / trials <= high <= 1
        assert wilson_interval(trials - successes, trials) == pytest.approx((1 - high, 1 - low), abs=1e-12)

    def test_the_bounds_at_none_and_all_are_exact(self) -> None:
        for trials in range(1, 300):
            assert wilson_interval(0, trials)[0] == 0.0
            assert wilson_interval(trials, trials)[1] == 1.0

    def test_no_trials_give_the_whole_interval(self) -> None:
        assert wilson_interval(0, 0) == (0.0, 1.0)

    @pytest.mark.parametrize(("successes", "trials"), [(-1, 5), (6, 5), (0, -1)])
    def test_impossible_counts(self, successes: int, trials: int) -> None:
        with pytest.raises(ValueError, match="successes"):
            wilson_interval(successes, trials)

    @pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0])
    def test_impossible_confidence(self, confidence: float) -> None:
        with pytest.raises(ValueError, match="confidence"):
            wilson_interval(1, 2, confidence)


class TestBootstrapInterval:
    def test_of_a_mean_is_near_the_normal_interval(self) -> None:
        values_N = np.random.default_rng(7).normal(3.0, 2.0, size=2_000)
        margin = 1.96 * values_N.std() / math.sqrt(2_000)
        low, high = bootstrap_interval(np.mean, values_N)
        assert low == pytest.approx(values_N.mean() - margin, abs=0.1 * margin)
        assert high == pytest.approx(values_N.mean() + margin, abs=0.1 * margin)

    def test_arrays_are_resampled_by_the_same_images(self) -> None:
        values_N = np.arange(50.0)
        assert bootstrap_interval(lambda a, b: float(np.mean(a - b)), values_N, values_N + 1, resamples=50) == (-1, -1)

    def test_the_seed_decides(self) -> None:
        values_N = np.random.default_rng(0).random(100)
        first = bootstrap_interval(np.median, values_N, resamples=100, seed=4)
        assert first == bootstrap_interval(np.median, values_N, resamples=100, seed=4)
        assert first != bootstrap_interval(np.median, values_N, resamples=100, seed=5)

    @pytest.mark.parametrize("arrays", [[], [np.zeros(0)], [np.zeros(3), np.zeros(4)]])
    def test_needs_arrays_over_the_same_images(self, arrays: list[np.ndarray]) -> None:
        with pytest.raises(ValueError, match="same images"):
            bootstrap_interval(np.mean, *arrays)


class TestBootstrapConfusion:
    CONFUSION = np.array([[80, 15, 5], [0, 190, 10], [30, 0, 70]])

    def test_keeps_the_number_of_images_and_the_empty_cells(self) -> None:
        resampled_BKK = bootstrap_confusion(self.CONFUSION)
        assert resampled_BKK.shape == (2000, 3, 3)
        assert resampled_BKK.dtype == np.int64
        assert (resampled_BKK.sum(axis=(1, 2)) == 400).all()
        assert (resampled_BKK[:, self.CONFUSION == 0] == 0).all()

    def test_cells_have_multinomial_mean_and_variance(self) -> None:
        resampled_BKK = bootstrap_confusion(self.CONFUSION, resamples=20_000)
        shares = self.CONFUSION / 400
        deviation = np.sqrt(400 * shares * (1 - shares))
        assert (np.abs(resampled_BKK.mean(axis=0) - self.CONFUSION) <= 5 * deviation / math.sqrt(20_000)).all()
        np.testing.assert_allclose(resampled_BKK.std(axis=0), deviation, rtol=0.03)

    def test_gives_the_interval_that_resampling_images_gives(self) -> None:
        truth_N, answer_N = (np.repeat(axis.ravel(), self.CONFUSION.ravel()) for axis in np.indices((3, 3)))

        def recall_of_class_2(truth: np.ndarray, answer: np.ndarray) -> float:
            return float(np.mean(answer[truth == 2] == 2))

        by_images = bootstrap_interval(recall_of_class_2, truth_N, answer_N, resamples=4_000)
        resampled_BKK = bootstrap_confusion(self.CONFUSION, resamples=4_000)
        by_cells = np.percentile(resampled_BKK[:, 2, 2] / resampled_BKK[:, 2].sum(axis=1), [2.5, 97.5])
        assert by_cells == pytest.approx(by_images, abs=0.01)

    def test_the_seed_decides(self) -> None:
        np.testing.assert_array_equal(
            bootstrap_confusion(self.CONFUSION, 10, seed=1), bootstrap_confusion(self.CONFUSION, 10, seed=1)
        )
        assert (
            bootstrap_confusion(self.CONFUSION, 10, seed=1) != bootstrap_confusion(self.CONFUSION, 10, seed=2)
        ).any()

    def test_an_empty_matrix_stays_empty(self) -> None:
        np.testing.assert_array_equal(bootstrap_confusion(np.zeros((2, 2), int), 3), np.zeros((3, 2, 2)))


@given(st.floats(0.001, 0.99999))
def test_normal_quantile_agrees_with_scipy(confidence: float) -> None:
    assert normal_quantile(confidence) == pytest.approx(norm.ppf(0.5 + confidence / 2), rel=1e-9)
