"""McNemar's exact test against the binomial test and its closed form."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from core.statistics.mcnemar import mcnemar_exact, mcnemar_worse


@given(st.integers(0, 400), st.integers(0, 400))
def test_agrees_with_the_binomial_test(only_first: int, only_second: int) -> None:
    discordant = only_first + only_second
    expected = binomtest(only_first, discordant, 0.5).pvalue if discordant else 1.0
    assert mcnemar_exact(only_first, only_second) == pytest.approx(expected, rel=1e-9)


@given(st.integers(0, 2_000), st.integers(0, 2_000))
def test_is_symmetric_and_a_probability(only_first: int, only_second: int) -> None:
    p = mcnemar_exact(only_first, only_second)
    assert p == mcnemar_exact(only_second, only_first)
    assert 0 <= p <= 1


@pytest.mark.parametrize(
    ("only_first", "only_second", "p"),
    [(0, 0, 1.0), (1, 0, 1.0), (2, 0, 0.5), (6, 0, 2 / 64), (7, 7, 1.0), (1, 5, 14 / 64), (2, 8, 112 / 1024)],
)
def test_closed_forms(only_first: int, only_second: int, p: float) -> None:
    assert mcnemar_exact(only_first, only_second) == p


def test_counts_of_numpy_do_not_overflow() -> None:
    counts: Any = np.array([600, 700])
    assert mcnemar_exact(*counts) == mcnemar_exact(600, 700)


def test_what_no_float_can_hold_is_zero() -> None:
    assert mcnemar_exact(5_000, 0) == 0.0


@pytest.mark.parametrize("counts", [(-1, 3), (3, -1)])
def test_negative_counts(counts: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="negative"):
        mcnemar_exact(*counts)


@given(st.integers(0, 400), st.integers(0, 400))
def test_worse_agrees_with_the_one_sided_binomial_test(only_first: int, only_second: int) -> None:
    discordant = only_first + only_second
    expected = binomtest(only_first, discordant, 0.5, alternative="less").pvalue if discordant else 1.0
    assert mcnemar_worse(only_first, only_second) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("only_first", "only_second", "p"), [(0, 0, 1.0), (0, 1, 0.5), (1, 0, 1.0), (0, 5, 1 / 32), (1, 4, 6 / 32)]
)
def test_worse_looks_at_one_side_alone(only_first: int, only_second: int, p: float) -> None:
    assert mcnemar_worse(only_first, only_second) == p


def test_worse_refuses_negative_counts() -> None:
    with pytest.raises(ValueError, match="negative"):
        mcnemar_worse(-1, 3)
