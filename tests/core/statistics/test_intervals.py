"""Intervals against published values, closed forms and simulation."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.stats import binomtest

from core.statistics.intervals import (
    bootstrap_confusion,
    difference_of_proportions,
    exact_interval,
    from_resamples,
    mean_at_least,
    mean_estimate,
    mean_estimates,
    proportion,
    resampled_means,
    statistic_estimate,
    student_mean,
    unbiased,
    unbiased_difference,
    wilson_interval,
)


class TestExact:
    @given(st.integers(1, 5_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
    def test_agrees_with_scipy(self, counts: tuple[int, int]) -> None:
        expected = binomtest(*counts).proportion_ci(0.95, method="exact")
        found = exact_interval(*counts)
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-9)
        assert found.value == counts[0] / counts[1]

    def test_exact_interval_of_few_trials_is_wide(self) -> None:
        """(1 / 40) ** (1 / n): six of six are significantly more than one half, five of five are not."""
        assert exact_interval(5, 5).low == pytest.approx(0.025 ** (1 / 5))
        assert exact_interval(5, 5).low < 0.5 < exact_interval(6, 6).low

    @pytest.mark.parametrize(("successes", "trials"), [(-1, 5), (6, 5), (0, 0)])
    def test_impossible_counts(self, successes: int, trials: int) -> None:
        with pytest.raises(ValueError, match=r"successes|trial"):
            exact_interval(successes, trials)


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

    @given(st.integers(1, 20_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
    def test_agrees_with_scipy(self, counts: tuple[int, int]) -> None:
        expected = binomtest(*counts).proportion_ci(0.95, method="wilson")
        assert wilson_interval(*counts) == pytest.approx((expected.low, expected.high), abs=1e-12)

    def test_wilson_bounds_at_zero_and_all_are_exact(self) -> None:
        for trials in range(1, 300):
            assert wilson_interval(0, trials)[0] == 0.0
            assert wilson_interval(trials, trials)[1] == 1.0

    def test_wilson_without_trials_is_zero_to_one(self) -> None:
        assert wilson_interval(0, 0) == (0.0, 1.0)

    @pytest.mark.parametrize(("successes", "trials"), [(-1, 5), (6, 5), (0, -1)])
    def test_impossible_counts(self, successes: int, trials: int) -> None:
        with pytest.raises(ValueError, match="successes"):
            wilson_interval(successes, trials)


class TestStatisticEstimate:
    def test_interval_of_a_mean_is_near_the_normal_one(self) -> None:
        values_N = np.random.default_rng(7).normal(3.0, 2.0, size=2_000)
        margin = 1.96 * values_N.std() / math.sqrt(2_000)
        found = statistic_estimate(np.mean, values_N)
        assert found.low == pytest.approx(values_N.mean() - margin, abs=0.1 * margin)
        assert found.high == pytest.approx(values_N.mean() + margin, abs=0.1 * margin)

    def test_arrays_are_resampled_by_the_same_images(self) -> None:
        values_N = np.arange(50.0)
        found = statistic_estimate(lambda a, b: float(np.mean(a - b)), values_N, values_N + 1, resamples=50)
        assert (found.value, found.low, found.high) == (-1, -1, -1)

    def test_resamples_depend_on_the_seed(self) -> None:
        values_N = np.random.default_rng(0).random(100)
        first = statistic_estimate(np.median, values_N, resamples=100, seed=4)
        assert first == statistic_estimate(np.median, values_N, resamples=100, seed=4)
        assert first != statistic_estimate(np.median, values_N, resamples=100, seed=5)

    @pytest.mark.parametrize("arrays", [[], [np.zeros(0)], [np.zeros(3), np.zeros(4)]])
    def test_needs_arrays_over_the_same_images(self, arrays: list[np.ndarray]) -> None:
        with pytest.raises(ValueError, match="same images"):
            statistic_estimate(np.mean, *arrays)


def resampled_confusions(confusion_KK: np.ndarray, resamples: int = 2000, *, seed: int = 0) -> np.ndarray:
    cells_BF = np.concatenate(list(bootstrap_confusion(confusion_KK, resamples, seed)))
    resampled_BC = np.zeros((len(cells_BF), confusion_KK.size), cells_BF.dtype)
    resampled_BC[:, np.flatnonzero(confusion_KK)] = cells_BF
    return resampled_BC.reshape(-1, *confusion_KK.shape)


class TestBootstrapConfusion:
    CONFUSION = np.array([[80, 15, 5], [0, 190, 10], [30, 0, 70]])

    def test_bootstrap_keeps_image_count_and_empty_cells(self) -> None:
        resampled_BKK = resampled_confusions(self.CONFUSION)
        assert resampled_BKK.shape == (2000, 3, 3)
        assert resampled_BKK.dtype == np.int64
        assert (resampled_BKK.sum(axis=(1, 2)) == 400).all()
        assert next(bootstrap_confusion(self.CONFUSION)).shape == (2000, np.count_nonzero(self.CONFUSION))

    def test_cells_have_multinomial_mean_and_variance(self) -> None:
        resampled_BKK = resampled_confusions(self.CONFUSION, resamples=20_000)
        shares = self.CONFUSION / 400
        deviation = np.sqrt(400 * shares * (1 - shares))
        assert (np.abs(resampled_BKK.mean(axis=0) - self.CONFUSION) <= 5 * deviation / math.sqrt(20_000)).all()
        np.testing.assert_allclose(resampled_BKK.std(axis=0), deviation, rtol=0.03)

    def test_bootstrap_confusion_agrees_with_image_resampling(self) -> None:
        truth_N, answer_N = (np.repeat(axis.ravel(), self.CONFUSION.ravel()) for axis in np.indices((3, 3)))

        def recall_of_class_2(truth: np.ndarray, answer: np.ndarray) -> float:
            return float(np.mean(answer[truth == 2] == 2))

        by_images = statistic_estimate(recall_of_class_2, truth_N, answer_N, resamples=4_000)
        resampled_BKK = resampled_confusions(self.CONFUSION, resamples=4_000)
        by_cells = np.percentile(resampled_BKK[:, 2, 2] / resampled_BKK[:, 2].sum(axis=1), [2.5, 97.5])
        assert by_cells == pytest.approx((by_images.low, by_images.high), abs=0.01)

    def test_resampled_counts_depend_on_the_seed(self) -> None:
        np.testing.assert_array_equal(
            resampled_confusions(self.CONFUSION, 10, seed=1), resampled_confusions(self.CONFUSION, 10, seed=1)
        )
        assert (
            resampled_confusions(self.CONFUSION, 10, seed=1) != resampled_confusions(self.CONFUSION, 10, seed=2)
        ).any()

    def test_batches_are_bounded_and_do_not_change_the_resamples(self, monkeypatch: pytest.MonkeyPatch) -> None:
        whole_BKK = resampled_confusions(self.CONFUSION, 10)
        monkeypatch.setattr("core.statistics.intervals._BATCH_CELLS", 21)
        assert [len(batch_BF) for batch_BF in bootstrap_confusion(self.CONFUSION, 10)] == [3, 3, 3, 1]
        np.testing.assert_array_equal(resampled_confusions(self.CONFUSION, 10), whole_BKK)

    def test_bootstrap_of_an_empty_matrix_is_empty(self) -> None:
        np.testing.assert_array_equal(resampled_confusions(np.zeros((2, 2), int), 3), np.zeros((3, 2, 2)))


def test_columns_are_resampled_by_the_same_images() -> None:
    values_N = np.random.default_rng(0).normal(size=50)
    means_BM = resampled_means(np.column_stack([values_N, 2 * values_N + 1]), resamples=20)
    np.testing.assert_allclose(means_BM[:, 1], 2 * means_BM[:, 0] + 1)
    assert len(np.unique(means_BM[:, 0])) == 20


def test_mean_estimate_of_a_constant_has_zero_width() -> None:
    assert mean_estimate(np.full(10, 3.0)).model_dump() == {"value": 3.0, "low": 3.0, "high": 3.0}


def test_mean_estimates_equal_those_of_each_column() -> None:
    values_NM = np.random.default_rng(1).normal(size=(60, 3))
    together = mean_estimates(values_NM)
    for m, estimate in enumerate(together):
        assert estimate.model_dump() == pytest.approx(mean_estimate(values_NM[:, m]).model_dump())
    assert len({estimate.low for estimate in together}) == 3


def test_resampled_means_without_images_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one image"):
        resampled_means(np.zeros((0, 1)))


def test_bias_correction_shifts_both_bounds() -> None:
    resampled_B = np.linspace(0.15, 0.25, 101)  # on average 0.2, twice the value
    raw, corrected = from_resamples(0.1, resampled_B), unbiased(0.1, resampled_B)
    assert raw.low > 0.1
    assert (corrected.low, corrected.high) == pytest.approx((raw.low - 0.1, raw.high - 0.1))


def test_bias_corrected_interval_stays_in_range() -> None:
    estimate = unbiased(0.01, np.linspace(0.0, 0.08, 101))
    assert estimate.low == 0.0
    assert estimate.low <= estimate.value <= estimate.high


def test_bias_of_a_resampled_difference_shifts_both_ends() -> None:
    resampled_B = np.linspace(-0.35, -0.25, 101)  # on average -0.3, the value is -0.1
    raw, corrected = from_resamples(-0.1, resampled_B), unbiased_difference(-0.1, resampled_B)
    assert raw.high < -0.1
    assert (corrected.low, corrected.high) == pytest.approx((raw.low + 0.2, raw.high + 0.2))
    skewed = unbiased_difference(0.0, np.concatenate([np.zeros(99), np.full(2, 5.0)]))
    assert skewed.low <= skewed.value <= skewed.high


def test_difference_of_proportions_is_newcombe() -> None:
    # Newcombe 1998, table II, example (a): 56/70 against 48/80, method 10
    estimate = difference_of_proportions((56, 70), (48, 80))
    assert estimate.value == pytest.approx(0.2)
    assert (estimate.low, estimate.high) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_proportion_without_trials_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one trial"):
        proportion(0, 0)


def test_student_mean_equals_the_t_test() -> None:
    values = [0.61, 0.64, 0.60, 0.66]
    found = student_mean(values)
    low, high = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert found.value == pytest.approx(sum(values) / 4)
    assert [found.low, found.high] == pytest.approx([low, high])


def test_student_mean_of_one_value_is_refused() -> None:
    with pytest.raises(ValueError, match="1 values"):
        student_mean([0.5])


def test_mean_at_least_matches_the_one_sided_test() -> None:
    values = [0.61, 0.64, 0.60, 0.66]
    bound = mean_at_least(values)
    assert stats.ttest_1samp(values, bound, alternative="greater").pvalue == pytest.approx(0.05)
    assert student_mean(values).low < bound < sum(values) / 4
    with pytest.raises(ValueError, match="1 values"):
        mean_at_least([0.5])
