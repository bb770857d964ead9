"""Coverage band against scipy's beta-binomial distribution, and against simulated conformal thresholds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import betabinom

from core.statistics.conformal import conformal_threshold
from core.statistics.coverage import beta_binomial_cdf, conformal_rank, coverage_band


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


def test_simulated_thresholds_cover_within_the_band_in_95_of_100_cases() -> None:
    random = np.random.default_rng(0)
    low, high = coverage_band(400, 200, 0.9)
    inside = 0
    for _ in range(2_000):
        truth_N = random.random((600, 1)).astype(np.float32)
        threshold = conformal_threshold(truth_N[:200], np.zeros(200, int), 0.9)
        inside += low <= float((truth_N[200:] >= threshold).mean()) <= high
    assert inside / 2_000 == pytest.approx(0.957, abs=0.015)


def test_too_few_images_for_the_promise_cover_everything() -> None:
    assert coverage_band(10, 50, 0.99) == (1.0, 1.0)
    assert coverage_band(10, 99, 0.99) != (1.0, 1.0)


@pytest.mark.parametrize(
    "arguments", [(0, 5, 0.9, 0.9), (5, 0, 0.9, 0.9), (5, 5, 0.0, 0.9), (5, 5, 1.0, 0.9), (5, 5, 0.9, 1.0)]
)
def test_arguments_out_of_range(arguments: tuple[int, int, float, float]) -> None:
    with pytest.raises(ValueError, match="calibration_images"):
        coverage_band(*arguments)
