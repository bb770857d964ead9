"""Paired comparison: counts, interval and agreement against definitions, scikit-learn and simulation."""

import math
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import binomtest, ttest_1samp
from sklearn.metrics import accuracy_score, cohen_kappa_score

from core.statistics.comparison import (
    cohen_kappa,
    compare_paired,
    holm,
    jensen_shannon_bits,
    mcnemar_exact,
    mcnemar_worse,
    paired_difference,
    sign_flip_p,
)


@given(st.integers(0, 400), st.integers(0, 400))
def test_mcnemar_exact_agrees_with_binomial_test(only_first: int, only_second: int) -> None:
    discordant = only_first + only_second
    expected = binomtest(only_first, discordant, 0.5).pvalue if discordant else 1.0
    assert mcnemar_exact(only_first, only_second) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("only_first", "only_second", "p"),
    [(0, 0, 1.0), (1, 0, 1.0), (2, 0, 0.5), (6, 0, 2 / 64), (7, 7, 1.0), (1, 5, 14 / 64), (2, 8, 112 / 1024)],
)
def test_mcnemar_exact_known_values(only_first: int, only_second: int, p: float) -> None:
    assert mcnemar_exact(only_first, only_second) == p


def test_mcnemar_exact_numpy_counts_do_not_overflow() -> None:
    counts: Any = np.array([600, 700])
    assert mcnemar_exact(*counts) == mcnemar_exact(600, 700)


def test_mcnemar_exact_underflow_is_zero() -> None:
    assert mcnemar_exact(5_000, 0) == 0.0


@pytest.mark.parametrize("counts", [(-1, 3), (3, -1)])
def test_mcnemar_negative_counts_are_refused(counts: tuple[int, int]) -> None:
    for test in (mcnemar_exact, mcnemar_worse):
        with pytest.raises(ValueError, match="negative"):
            test(*counts)


@given(st.integers(0, 400), st.integers(0, 400))
def test_mcnemar_worse_agrees_with_binomial_test(only_first: int, only_second: int) -> None:
    discordant = only_first + only_second
    expected = binomtest(only_first, discordant, 0.5, alternative="less").pvalue if discordant else 1.0
    assert mcnemar_worse(only_first, only_second) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("only_first", "only_second", "p"), [(0, 0, 1.0), (0, 1, 0.5), (1, 0, 1.0), (0, 5, 1 / 32), (1, 4, 6 / 32)]
)
def test_mcnemar_worse_is_one_sided(only_first: int, only_second: int, p: float) -> None:
    assert mcnemar_worse(only_first, only_second) == p


P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=6)


@pytest.mark.parametrize(
    ("p_values", "adjusted"),
    [
        ([], []),
        ([0.2], [0.2]),
        ([0.01, 0.04, 0.03], [0.03, 0.06, 0.06]),
        ([0.03, 0.01, 0.04, 0.005], [0.06, 0.03, 0.06, 0.02]),
        ([0.5, 0.5, 0.5], [1.0, 1.0, 1.0]),
        ([0.0, 1.0], [0.0, 1.0]),
    ],
)
def test_holm_known_values(p_values: list[float], adjusted: list[float]) -> None:
    assert holm(p_values) == pytest.approx(adjusted)


@given(P_VALUES)
def test_holm_is_the_closure_of_bonferroni(p_values: list[float]) -> None:
    """Holm's is the closure of Bonferroni's correction (Marcus, Peritz & Gabriel 1976): the largest p over subsets."""
    tests = range(len(p_values))
    subsets = [subset for size in tests for subset in combinations(tests, size + 1)]
    for test in tests:
        worst = max(len(subset) * min(p_values[one] for one in subset) for subset in subsets if test in subset)
        assert holm(p_values)[test] == pytest.approx(min(1.0, worst), abs=1e-12)


@pytest.mark.parametrize("p_values", [[-0.1, 0.5], [1.1], [float("nan")]])
def test_holm_invalid_p_values_are_refused(p_values: list[float]) -> None:
    with pytest.raises(ValueError, match="p-values"):
        holm(p_values)


Answers = npt.NDArray[np.int64]
three_answers = st.integers(1, 60).flatmap(lambda images: arrays(np.int64, (3, images), elements=st.integers(0, 3)))


def test_compare_paired_counts_a_small_case() -> None:
    labels_N = np.array([0, 0, 1, 1, 2, 2])
    first_N = np.array([0, 1, 1, 1, 2, 0])
    second_N = np.array([0, 0, 1, 2, 1, 0])
    comparison = compare_paired(labels_N, first_N, second_N)
    assert comparison.images == 6
    assert (comparison.both_right, comparison.only_first_right, comparison.only_second_right) == (2, 2, 1)
    assert comparison.both_wrong == 1
    assert comparison.first_accuracy == pytest.approx(4 / 6)
    assert comparison.second_accuracy == pytest.approx(3 / 6)
    assert comparison.difference.value == pytest.approx(1 / 6)
    assert comparison.mcnemar_p == 1.0
    assert comparison.agreement == pytest.approx(3 / 6)


@given(three_answers)
def test_compare_paired_parts_are_consistent(answers_3N: Answers) -> None:
    labels_N, first_N, second_N = answers_3N
    comparison = compare_paired(labels_N, first_N, second_N)
    assert comparison.first_accuracy == pytest.approx(accuracy_score(labels_N, first_N))
    assert comparison.second_accuracy == pytest.approx(accuracy_score(labels_N, second_N))
    assert comparison.difference.value == pytest.approx(comparison.first_accuracy - comparison.second_accuracy)
    assert comparison.mcnemar_p == mcnemar_exact(comparison.only_first_right, comparison.only_second_right)
    cells = (comparison.both_right, comparison.only_first_right, comparison.only_second_right, comparison.both_wrong)
    assert sum(cells) == comparison.images == len(labels_N)
    assert min(cells) >= 0


@pytest.mark.parametrize(("labels", "first", "second"), [(0, 0, 0), (3, 3, 2), (3, 2, 3), (2, 3, 3)])
def test_compare_paired_different_lengths_are_refused(labels: int, first: int, second: int) -> None:
    with pytest.raises(ValueError, match="same images"):
        compare_paired(*(np.zeros(length, dtype=np.int64) for length in (labels, first, second)))


class TestPairedDifference:
    def test_paired_difference_matches_hand_calculation(self) -> None:
        """b = 12, c = 2, n = 50: center 10 / 52, variance (15 - 100 / 52) / 52**2."""
        difference = paired_difference(12, 2, 50)
        margin = 1.959964 * math.sqrt(15 - 100 / 52) / 52
        assert difference.value == 0.2
        assert difference.low == pytest.approx(10 / 52 - margin, abs=1e-6)
        assert difference.high == pytest.approx(10 / 52 + margin, abs=1e-6)

    def test_equal_predictions_have_a_nonzero_interval(self) -> None:
        difference = paired_difference(0, 0, 100)
        assert difference.high == pytest.approx(1.959964 / 102, abs=1e-6)
        assert difference.low == -difference.high

    @given(st.integers(0, 9), st.integers(0, 9), st.sampled_from([0, 1, 3, 200]))
    def test_holds_the_observed_difference_within_the_possible(self, first: int, second: int, rest: int) -> None:
        difference = paired_difference(first, second, max(1, first + second + rest))
        assert -1 <= difference.low <= difference.value <= difference.high <= 1

    @pytest.mark.parametrize(
        ("images", "only_first", "only_second"), [(10_000, 0.05, 0.04), (500, 0.10, 0.10), (200, 0.02, 0.005)]
    )
    def test_paired_difference_has_nominal_coverage(self, images: int, only_first: float, only_second: float) -> None:
        cells = [only_first, only_second, 1 - only_first - only_second]
        draws = np.random.default_rng(11).multinomial(images, cells, size=2_000)
        intervals = [paired_difference(int(first), int(second), images) for first, second, _ in draws]
        covered = np.mean([i.low <= only_first - only_second <= i.high for i in intervals])
        assert 0.935 <= covered <= 0.98


class TestKappa:
    @given(three_answers)
    def test_agrees_with_scikit_learn(self, answers_3N: Answers) -> None:
        _, first_N, second_N = answers_3N
        kappa = cohen_kappa(first_N, second_N)
        if len(np.union1d(first_N, second_N)) == 1:
            assert kappa is None
        else:
            assert kappa == pytest.approx(cohen_kappa_score(first_N, second_N), abs=1e-12)


def test_jensen_shannon_of_equal_rows_is_zero() -> None:
    row_K = np.array([0.1, 0.2, 0.7])
    assert jensen_shannon_bits(np.stack([row_K, row_K])) == 0


@pytest.mark.parametrize("models", [2, 3, 8])
def test_jensen_shannon_of_disjoint_rows_is_log2_of_count(models: int) -> None:
    assert jensen_shannon_bits(np.eye(models)) == pytest.approx(np.log2(models))


def test_jensen_shannon_matches_hand_calculation() -> None:
    # mean (3/4, 1/4): entropy 2 - 3/4 log2 3; the rows have entropies 0 and 1
    expected = 2 - 0.75 * np.log2(3) - 0.5
    assert jensen_shannon_bits(np.array([[1.0, 0.0], [0.5, 0.5]])) == pytest.approx(expected)


def test_sign_flips_of_few_differences_are_counted_exactly() -> None:
    assert sign_flip_p([1.0]) == 1.0
    assert sign_flip_p([1.0, 1.0, 1.0]) == 2 / 8
    assert sign_flip_p([3.0, -1.0]) == 2 / 4 + 2 / 4  # |3 + 1| and |3 - 1| of either sign
    assert sign_flip_p([0.0, 0.0]) == 1.0
    with pytest.raises(ValueError, match="at least one"):
        sign_flip_p([])


def test_sign_flips_of_many_differences_are_drawn() -> None:
    random = np.random.default_rng(0)
    differences = random.normal(0.35, 1, 30)
    expected = ttest_1samp(differences, 0).pvalue
    assert sign_flip_p(differences.tolist()) == pytest.approx(expected, rel=0.15)
    assert sign_flip_p((differences + 3).tolist()) == pytest.approx(1 / 100_001)
