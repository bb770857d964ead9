from __future__ import annotations

import numpy as np
import pytest

from core.statistics.proportions import difference_of_proportions, proportion
from core.statistics.resampling import from_resamples, mean_estimate, mean_estimates, resampled_means, unbiased


def test_columns_are_resampled_by_the_same_images() -> None:
    values_N = np.random.default_rng(0).normal(size=50)
    means_BM = resampled_means(np.column_stack([values_N, 2 * values_N + 1]), resamples=20)
    np.testing.assert_allclose(means_BM[:, 1], 2 * means_BM[:, 0] + 1)
    assert len(np.unique(means_BM[:, 0])) == 20


def test_a_constant_has_no_spread() -> None:
    assert mean_estimate(np.full(10, 3.0)).model_dump() == {"value": 3.0, "low": 3.0, "high": 3.0}


def test_many_means_at_once_are_those_of_each_column_alone() -> None:
    values_NM = np.random.default_rng(1).normal(size=(60, 3))
    together = mean_estimates(values_NM)
    for m, estimate in enumerate(together):
        assert estimate.model_dump() == pytest.approx(mean_estimate(values_NM[:, m]).model_dump())
    assert len({estimate.low for estimate in together}) == 3


def test_no_image_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one image"):
        resampled_means(np.zeros((0, 1)))


def test_the_bias_of_resamples_is_taken_off_both_ends() -> None:
    resampled_B = np.linspace(0.15, 0.25, 101)  # on average 0.2, twice the value
    raw, corrected = from_resamples(0.1, resampled_B), unbiased(0.1, resampled_B)
    assert raw.low > 0.1
    assert (corrected.low, corrected.high) == pytest.approx((raw.low - 0.1, raw.high - 0.1))


def test_the_corrected_interval_does_not_leave_the_range_and_holds_its_value() -> None:
    estimate = unbiased(0.01, np.linspace(0.0, 0.08, 101))
    assert estimate.low == 0.0
    assert estimate.low <= estimate.value <= estimate.high


def test_a_difference_of_separate_samples_is_newcombes() -> None:
    # Newcombe 1998, table II, example (a): 56/70 against 48/80, method 10
    estimate = difference_of_proportions((56, 70), (48, 80))
    assert estimate.value == pytest.approx(0.2)
    assert (estimate.low, estimate.high) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_a_proportion_needs_a_trial() -> None:
    with pytest.raises(ValueError, match="at least one trial"):
        proportion(0, 0)
