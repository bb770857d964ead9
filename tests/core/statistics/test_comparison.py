"""Paired comparison: counts, interval and agreement against definitions, scikit-learn and simulation."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import accuracy_score, cohen_kappa_score

from core.statistics.comparison import cohen_kappa, compare_paired, paired_difference
from core.statistics.mcnemar import mcnemar_exact

Answers = npt.NDArray[np.int64]
three_answers = st.integers(1, 60).flatmap(lambda images: arrays(np.int64, (3, images), elements=st.integers(0, 3)))


def test_counts_of_a_small_case() -> None:
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
def test_the_parts_fit_together(answers_3N: Answers) -> None:
    labels_N, first_N, second_N = answers_3N
    comparison = compare_paired(labels_N, first_N, second_N)
    assert comparison.first_accuracy == pytest.approx(accuracy_score(labels_N, first_N))
    assert comparison.second_accuracy == pytest.approx(accuracy_score(labels_N, second_N))
    assert comparison.difference.value == pytest.approx(comparison.first_accuracy - comparison.second_accuracy)
    assert comparison.mcnemar_p == mcnemar_exact(comparison.only_first_right, comparison.only_second_right)
    cells = (comparison.both_right, comparison.only_first_right, comparison.only_second_right, comparison.both_wrong)
    assert sum(cells) == comparison.images == len(labels_N)
    assert min(cells) >= 0


@given(three_answers)
def test_swapping_the_versions_mirrors_the_comparison(answers_3N: Answers) -> None:
    labels_N, first_N, second_N = answers_3N
    one, other = compare_paired(labels_N, first_N, second_N), compare_paired(labels_N, second_N, first_N)
    assert one.difference.low == -other.difference.high
    assert one.difference.high == -other.difference.low
    assert one.only_first_right == other.only_second_right
    assert one.cohen_kappa == (None if other.cohen_kappa is None else pytest.approx(other.cohen_kappa))


@pytest.mark.parametrize(("labels", "first", "second"), [(0, 0, 0), (3, 3, 2), (3, 2, 3), (2, 3, 3)])
def test_other_images_cannot_be_compared(labels: int, first: int, second: int) -> None:
    with pytest.raises(ValueError, match="same images"):
        compare_paired(*(np.zeros(length, dtype=np.int64) for length in (labels, first, second)))


class TestPairedDifference:
    def test_by_hand(self) -> None:
        """b = 12, c = 2, n = 50: center 10 / 52, variance (15 - 100 / 52) / 52**2."""
        difference = paired_difference(12, 2, 50)
        margin = 1.959964 * math.sqrt(15 - 100 / 52) / 52
        assert difference.value == 0.2
        assert difference.low == pytest.approx(10 / 52 - margin, abs=1e-6)
        assert difference.high == pytest.approx(10 / 52 + margin, abs=1e-6)

    def test_equal_predictions_have_an_interval(self) -> None:
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
    def test_covers_the_true_difference_as_often_as_it_says(
        self, images: int, only_first: float, only_second: float
    ) -> None:
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

    def test_independent_answers_agree_by_chance_alone(self) -> None:
        first_N, second_N = np.random.default_rng(3).integers(0, 10, (2, 200_000))
        assert cohen_kappa(first_N, second_N) == pytest.approx(0.0, abs=0.005)

    def test_the_same_answers_agree_in_full(self) -> None:
        answers_N = np.arange(30) % 10
        assert cohen_kappa(answers_N, answers_N) == pytest.approx(1.0)
