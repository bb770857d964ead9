"""Confidence sequences of weighted means: answers of an independent implementation, coverage at every look, limits.

`CONFSEQ_*` are answers of gostevehoward/confseq at 70b1ef3: `betting_mart(x, m, lambdas_fn_positive=lambda x, m:
c * weights / (8 * m), theta=1, trunc_scale=1)`, averaged over the bets c, and `betting_cs` with the same bets.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from core.sequential.mean import BETS_J, log_wealth, proportion_interval, weighted_interval

RIGHT_N = (np.random.default_rng(7).random(400) < 0.9).astype(np.float64)
WEIGHTS_N = np.random.default_rng(10).choice([1.0, 2.0, 8.0], 400)
CONFSEQ_WEALTH = {
    (20, 0.5): 217.24833184,
    (20, 0.88): 0.886739433065,
    (100, 0.8): 30.94309018,
    (100, 0.88): 1.24626099632,
    (400, 0.8): 434442.466977,
}
CONFSEQ_WEIGHTED = {
    (100, 0.5): 12934689.1086,
    (100, 0.8): 1.97668119924,
    (400, 0.5): 1.87338398198e33,
    (400, 0.8): 278.247258242,
}
CONFSEQ_ENDS = {20: (0.561, 0.9965), 100: (0.796, 0.98), 400: (0.845, 0.9445)}


@pytest.mark.parametrize(("labels", "mean"), CONFSEQ_WEALTH)
def test_wealth_is_that_of_confseq(labels: int, mean: float) -> None:
    ones_N = np.ones(labels)
    found = log_wealth(mean, RIGHT_N[:labels], ones_N, ones_N)
    assert found == pytest.approx(math.log(CONFSEQ_WEALTH[labels, mean]), abs=1e-9)


@pytest.mark.parametrize(("labels", "mean"), CONFSEQ_WEIGHTED)
def test_wealth_with_weights_is_that_of_confseq(labels: int, mean: float) -> None:
    found = log_wealth(mean, RIGHT_N[:labels], WEIGHTS_N[:labels] / 8, np.ones(labels))
    assert found == pytest.approx(math.log(CONFSEQ_WEIGHTED[labels, mean]), abs=1e-9)


@pytest.mark.parametrize("labels", CONFSEQ_ENDS)
def test_the_ends_are_those_of_confseq(labels: int) -> None:
    """Within the grid of 2,000 means that confseq searches."""
    found = weighted_interval(RIGHT_N[:labels], np.ones(labels), largest_weight=1.0)
    assert (found.low, found.high) == pytest.approx(CONFSEQ_ENDS[labels], abs=1.1e-3)


def test_a_proportion_has_the_interval_of_equal_weights() -> None:
    by_counts = proportion_interval(int(RIGHT_N.sum()), len(RIGHT_N))
    by_labels = weighted_interval(RIGHT_N, np.full(400, 3.0), largest_weight=3.0)
    assert (by_counts.low, by_counts.high) == pytest.approx((by_labels.low, by_labels.high), abs=1e-9)
    assert by_counts.value == pytest.approx(by_labels.value)


def test_the_true_mean_of_unevenly_chosen_images_stays_inside_at_every_look() -> None:
    """Wrong answers are chosen eight times as often; the share of streams with any miss is at most 5 %."""
    random = np.random.default_rng(0)
    accuracy, streams, labels = 0.9, 1_000, 400
    chosen_wrong = 8 * (1 - accuracy) / (8 * (1 - accuracy) + accuracy)
    right_SN = random.random((streams, labels)) >= chosen_wrong
    relative_SN = np.where(right_SN, 1.0, 1 / 8)
    missed_S = np.zeros(streams, np.bool_)
    for values_SN, mean in ((right_SN, accuracy), (~right_SN, 1 - accuracy)):
        wealth_SN = np.zeros((streams, labels))
        for bet in BETS_J:
            wealth_SN += np.exp(np.log1p(bet * relative_SN * (values_SN / mean - 1)).cumsum(axis=1)) / len(BETS_J)
        missed_S |= (wealth_SN >= 40).any(axis=1)
    assert 0.001 < missed_S.mean() <= 0.05
    found = weighted_interval(right_SN[0].astype(np.float64), relative_SN[0], largest_weight=1.0)
    assert found.low < accuracy < found.high
    assert abs(found.value - accuracy) < 0.05 < abs(right_SN[0].mean() - accuracy)


def test_the_interval_shrinks_with_labels() -> None:
    widths = [(found := proportion_interval(19 * n, 20 * n)).high - found.low for n in (1, 10, 100, 1_000)]
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < 0.012


def test_without_labels_everything_is_possible() -> None:
    empty = weighted_interval(np.zeros(0), np.zeros(0), largest_weight=1.0)
    assert (empty.low, empty.high) == (proportion_interval(0, 0).low, proportion_interval(0, 0).high) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("values", "weights", "largest", "rate", "message"),
    [
        ([1.0], [1.0, 1.0], 1.0, 0.05, "one weight per value"),
        ([1.5], [1.0], 1.0, 0.05, "on \\[0, 1\\]"),
        ([1.0], [0.0], 1.0, 0.05, "weights must be"),
        ([1.0], [2.0], 1.0, 0.05, "weights must be"),
        ([math.nan], [1.0], 1.0, 0.05, "on \\[0, 1\\]"),
        ([1.0], [math.nan], 1.0, 0.05, "weights must be"),
        ([1.0], [1.0], 1.0, 1.0, "error rate"),
    ],
)
def test_bad_arguments_are_refused(
    values: list[float], weights: list[float], largest: float, rate: float, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        weighted_interval(np.array(values), np.array(weights), largest_weight=largest, error_rate=rate)
    with pytest.raises(ValueError, match="successes"):
        proportion_interval(2, 1)
