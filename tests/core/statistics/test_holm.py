"""Holm's correction against cases solved by hand, closed testing, and its bound on false rejections."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.statistics.holm import holm

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
def test_closed_cases(p_values: list[float], adjusted: list[float]) -> None:
    assert holm(p_values) == pytest.approx(adjusted)


@given(P_VALUES)
def test_is_closed_testing_with_bonferroni(p_values: list[float]) -> None:
    """Holm's is the closure of Bonferroni's correction (Marcus, Peritz & Gabriel 1976): the largest p over subsets."""
    tests = range(len(p_values))
    subsets = [subset for size in tests for subset in combinations(tests, size + 1)]
    for test in tests:
        worst = max(len(subset) * min(p_values[one] for one in subset) for subset in subsets if test in subset)
        assert holm(p_values)[test] == pytest.approx(min(1.0, worst), abs=1e-12)


def test_false_alarms_are_as_rare_as_promised() -> None:
    """2,000 simulations of ten true null hypotheses: a false rejection occurs in at most 5 %, and in not much less."""
    p_values = np.random.default_rng(0).random((2_000, 10))
    alarms = np.mean([min(holm(list(row))) < 0.05 for row in p_values])
    assert 0.03 < alarms < 0.065


@pytest.mark.parametrize("p_values", [[-0.1, 0.5], [1.1], [float("nan")]])
def test_what_is_no_probability(p_values: list[float]) -> None:
    with pytest.raises(ValueError, match="p-values"):
        holm(p_values)
