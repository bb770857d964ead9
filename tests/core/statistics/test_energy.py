"""Energy score against scipy, and flag rate of its threshold."""

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import logsumexp
from sklearn.metrics import roc_auc_score

from core.statistics.energy import auroc, energy, energy_threshold
from core.statistics.intervals import exact_interval

Floats = npt.NDArray[np.float64]


@given(arrays(np.float64, st.tuples(st.integers(1, 8), st.integers(1, 6)), elements=st.floats(-1e4, 1e4)))
def test_energy_agrees_with_scipy(logits_NK: Floats) -> None:
    np.testing.assert_allclose(energy(logits_NK), -logsumexp(logits_NK, axis=1), rtol=1e-12, atol=1e-12)


def test_energy_of_uniform_and_huge_logits_is_exact() -> None:
    np.testing.assert_allclose(energy(np.zeros((2, 10))), -math.log(10))
    np.testing.assert_array_equal(energy(np.array([[1e30, -1e30]], dtype=np.float32)), -np.float64(np.float32(1e30)))


def test_energy_is_independent_of_the_batch() -> None:
    logits_NK = np.random.default_rng(0).normal(size=(33, 10)).astype(np.float32)
    assert energy(logits_NK)[7] == energy(logits_NK[7])
    assert energy(logits_NK).dtype == np.float64


def test_energy_of_small_logits_is_higher() -> None:
    logits_NK = np.array([[9.0, 0.0, 0.0], [0.9, 0.0, 0.0]])
    sure, unsure = energy(logits_NK)
    assert unsure > sure


@given(st.integers(1, 500), st.floats(0.001, 0.999), st.integers(0, 10_000))
def test_threshold_flags_the_largest_share_within_the_rate(images: int, flag_rate: float, seed: int) -> None:
    logits_NK = np.random.default_rng(seed).normal(size=(images, 4))
    flagged = int(np.count_nonzero(energy(logits_NK) > energy_threshold(logits_NK, flag_rate)))
    assert flagged <= flag_rate * images + 1e-9
    assert flagged > flag_rate * images - 1 - 1e-9


def test_five_percent_of_the_holdout_is_flagged() -> None:
    logits_NK = np.random.default_rng(2).normal(size=(5_000, 10)).astype(np.float32)
    assert np.count_nonzero(energy(logits_NK) > energy_threshold(logits_NK)) == 250


def test_logits_unlike_the_holdout_are_flagged() -> None:
    generator = np.random.default_rng(2)
    threshold = energy_threshold(generator.normal(0, 6, size=(5_000, 10)))
    assert (energy(generator.normal(0, 0.5, size=(1_000, 10))) > threshold).mean() > 0.9


@pytest.mark.parametrize("flag_rate", [0.0, 1.0, 5.0])
def test_flag_rate_out_of_range_is_refused(flag_rate: float) -> None:
    with pytest.raises(ValueError, match="flag rate"):
        energy_threshold(np.zeros((3, 2)), flag_rate)


def test_threshold_without_images_is_refused() -> None:
    with pytest.raises(ValueError, match="0 images"):
        energy_threshold(np.zeros((0, 2)))


def test_auroc_counts_ordered_pairs_and_half_of_ties() -> None:
    assert auroc(np.array([1.0, 2.0]), np.array([2.0, 3.0])).value == (0.5 + 1 + 1 + 1) / 4
    random = np.random.default_rng(0)
    low, high = random.integers(0, 20, 300).astype(float), random.integers(3, 25, 200).astype(float)
    expected = roc_auc_score([0] * 300 + [1] * 200, np.concatenate([low, high]))
    assert auroc(low, high).value == pytest.approx(expected)
    assert auroc(high, low).value == pytest.approx(1 - expected)


def test_auroc_interval_matches_its_scatter() -> None:
    random = np.random.default_rng(1)
    found = [auroc(random.normal(0, 1, 80), random.normal(1, 1, 50)) for _ in range(400)]
    truth = 0.7602  # the normal distribution function at 1 / sqrt(2)
    held = np.mean([one.low <= truth <= one.high for one in found])
    assert 0.90 < held < 0.98
    errors = [(one.high - one.low) / 2 / 1.96 for one in found]
    assert np.mean(errors) == pytest.approx(np.std([one.value for one in found]), rel=0.15)


def test_scores_that_do_not_overlap_have_a_wide_interval() -> None:
    """Clopper and Pearson's lower end for as many successes as the smaller sample has scores."""
    perfect = auroc(np.arange(100.0), np.arange(100.0, 140.0))
    assert (perfect.value, perfect.high) == (1.0, 1.0)
    assert perfect.low == pytest.approx(0.025 ** (1 / 40))
    assert perfect.low == pytest.approx(exact_interval(40, 40).low)
    reverse = auroc(np.arange(100.0, 140.0), np.arange(100.0))
    assert (reverse.value, reverse.low) == (0.0, 0.0)
    assert reverse.high == pytest.approx(1 - perfect.low)


def test_single_wrong_pair_widens_the_interval_continuously() -> None:
    perfect = auroc(np.arange(100.0), np.arange(100.0, 140.0))
    one_wrong = auroc(np.append(np.arange(99.0), 100.5), np.arange(100.0, 140.0))
    assert one_wrong.value == 1 - 1 / 4000
    assert perfect.low - 0.01 < one_wrong.low < perfect.low
    assert one_wrong.value < one_wrong.high <= 1


def test_interval_of_large_areas_holds_the_truth() -> None:
    """Two normal distributions 4.5 standard deviations apart; 60 pairs, so that most samples hardly overlap."""
    random = np.random.default_rng(2)
    truth = 0.5 * (1 + math.erf(4.5 / math.sqrt(2) / math.sqrt(2)))
    found = [auroc(random.normal(0, 1, 90), random.normal(4.5, 1, 60)) for _ in range(300)]
    assert np.mean([one.value == 1.0 for one in found]) > 0.02
    assert np.mean([one.low <= truth <= one.high for one in found]) >= 0.95
    assert all(0 <= one.low < one.high <= 1 for one in found)


def test_interval_stays_inside_the_range_of_areas() -> None:
    random = np.random.default_rng(3)
    found = auroc(random.normal(0, 1, 30), random.normal(1.2, 1, 30))
    assert 0 < found.low < found.value < found.high < 1


def test_too_few_scores() -> None:
    with pytest.raises(ValueError, match="two of each"):
        auroc(np.array([0.0]), np.array([2.0, 3.0]))
