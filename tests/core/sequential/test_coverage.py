"""Coverage alarm: answers of an independent implementation, false alarms, detection, weights, limits.

`CONFSEQ` are answers of gostevehoward/confseq at 70b1ef3: `betting_mart` with the bet of each alternative miss rate,
averaged with the prior and summed over the starting times with their stakes.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from core.sequential.coverage import log_wealth, watch_coverage

MISSED_N = np.random.default_rng(9).random(200) < 0.05
CONFSEQ = {40: 4.70387563966, 120: 108.89771922, 200: 32.6176779352}


@pytest.mark.parametrize("labels", CONFSEQ)
def test_wealth_is_that_of_confseq(labels: int) -> None:
    watch = watch_coverage(MISSED_N[:labels])
    assert watch.wealth == pytest.approx(CONFSEQ[labels], rel=1e-9)
    assert (watch.labels, watch.misses) == (labels, int(MISSED_N[:labels].sum()))


def test_the_alarm_names_its_label_and_stays() -> None:
    watch = watch_coverage(MISSED_N)
    assert watch.alarm_at is not None
    assert watch.largest_wealth >= 100 > watch.wealth
    assert watch_coverage(MISSED_N[: watch.alarm_at]).alarm_at == watch.alarm_at
    assert watch_coverage(MISSED_N[: watch.alarm_at - 1]).alarm_at is None


def test_false_alarms_are_rare_and_real_ones_fast() -> None:
    random = np.random.default_rng(1)
    nominal_SN = log_wealth(random.random((2_000, 1_000)) < 0.01, np.ones(1_000), 0.01)
    assert 0.001 < (nominal_SN.max(axis=1) >= math.log(100)).mean() <= 0.01
    bad_SN = log_wealth(random.random((2_000, 250)) < 0.05, np.ones(250), 0.01)
    assert (bad_SN.max(axis=1) >= math.log(100)).mean() >= 0.9


def test_an_alarm_after_many_good_labels_is_not_much_later() -> None:
    """Without restarts, 5,000 labels at the nominal rate would cost more than 2,000 further ones."""
    random = np.random.default_rng(3)
    rates_N = np.repeat([0.01, 0.05], [5_000, 1_500])
    wealth_SN = log_wealth(random.random((100, 6_500)) < rates_N, np.ones(6_500), 0.01)
    reached_SN = wealth_SN >= math.log(100)
    assert 5_000 < np.median(reached_SN.argmax(axis=1)) < 5_700
    assert reached_SN[:, -1].mean() > 0.9


def test_weights_only_slow_the_alarm_down() -> None:
    """Equal weights below the largest one bet less; unevenly weighted labels at the nominal rate give no alarm."""
    full = watch_coverage(MISSED_N)
    less = watch_coverage(MISSED_N, weights_N=np.full(200, 2.0), largest_weight=4.0)
    assert 1 < less.largest_wealth < full.largest_wealth
    random = np.random.default_rng(2)
    chosen_miss = 4 * 0.01 / (4 * 0.01 + 0.99)
    missed_N = random.random(20_000) < chosen_miss
    weights_N = np.where(missed_N, 1.0, 4.0)
    assert watch_coverage(missed_N, weights_N=weights_N, largest_weight=4.0).alarm_at is None
    assert watch_coverage(missed_N).alarm_at is not None


def test_without_labels_there_is_no_evidence() -> None:
    watch = watch_coverage(np.zeros(0, np.bool_))
    assert (watch.wealth, watch.largest_wealth, watch.alarm_at) == (1.0, 1.0, None)


def test_bad_arguments_are_refused() -> None:
    missed_N = np.ones(3, np.bool_)
    with pytest.raises(ValueError, match="error rate"):
        watch_coverage(missed_N, nominal_miss_rate=0.0)
    with pytest.raises(ValueError, match="error rate"):
        watch_coverage(missed_N, false_alarm_rate=1.0)
    with pytest.raises(ValueError, match="one weight per label"):
        watch_coverage(missed_N, weights_N=np.ones(2))
    with pytest.raises(ValueError, match="weights must be"):
        watch_coverage(missed_N, weights_N=np.full(3, 2.0))
