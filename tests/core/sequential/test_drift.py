"""Drift against the holdout: the recursion image by image, bounds, false alarms, early and late drift, stored state."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import binom

from core.sequential.drift import ODDS_RATIOS_B, RateReference, RateWatch, rate_bounds

CLASSES = 10
UNIFORM_K = np.full(CLASSES, 1 / CLASSES)


def reference(counts: npt.NDArray[np.integer[Any]] | list[int], images: int = 5_000) -> RateReference:
    return RateReference(
        names=tuple(f"class {k}" for k in range(len(counts))), counts=tuple(map(int, counts)), images=images
    )


def class_mix(random: np.random.Generator, rates_K: npt.NDArray[np.float64], images: int) -> npt.NDArray[np.bool_]:
    return np.asarray(np.eye(len(rates_K), dtype=np.bool_)[random.choice(len(rates_K), images, p=rates_K)])


def test_evidence_is_that_of_the_recursion_image_by_image() -> None:
    hits_NJ = np.random.default_rng(3).random((300, 2)) < (0.35, 0.2)
    watch = RateWatch(reference([100, 50], 400))
    watch.observe(hits_NJ)

    low_J, high_J = rate_bounds([100, 50], 400, error_rate=0.005)
    invested, largest = np.zeros((2, 3, 2)), 1.0
    for n, hits_J in enumerate(hits_NJ, start=1):
        released = 1 / math.log2(n + 1) - 1 / math.log2(n + 2)
        for side, ends_J in enumerate((high_J, low_J)):
            for b, ratio in enumerate(ODDS_RATIOS_B if side == 0 else 1 / ODDS_RATIOS_B):
                for j, end in enumerate(ends_J):
                    bet = ratio * end / (1 - end + ratio * end)
                    factor = bet / end if hits_J[j] else (1 - bet) / (1 - end)
                    invested[side, b, j] = (invested[side, b, j] + released / 12) * factor
        largest = max(largest, invested.sum() + 1 / math.log2(n + 2))
    found = watch.result()
    assert found.evidence == pytest.approx(invested.sum() + 1 / math.log2(302), rel=1e-9)
    assert found.largest_evidence == pytest.approx(largest, rel=1e-9)
    assert [rate.evidence for rate in found.rates] == pytest.approx(invested.sum(axis=(0, 1)).tolist(), rel=1e-9)
    assert [rate.live for rate in found.rates] == hits_NJ.mean(axis=0).tolist()


def test_bounds_hold_together_with_their_probability() -> None:
    """Exact binomial tails at the ends: no end is missed with more than its share of the error rate."""
    low_J, high_J = rate_bounds([0, 30, 500, 1_000], 1_000, error_rate=0.008)
    assert (low_J[0], high_J[3]) == (0, 1)
    assert np.max(binom.cdf([0, 30, 500], 1_000, high_J[:3])) <= 0.001
    assert np.max(binom.sf([29, 499, 999], 1_000, low_J[1:])) <= 0.001
    assert high_J[1] < 0.055
    assert low_J[2] > 0.44


@pytest.mark.full
def test_false_alarms_are_rare_whatever_the_holdout() -> None:
    """400 streams of 2,000 images, each with a holdout of its own from the same population."""
    random = np.random.default_rng(0)
    alarms = 0
    for _ in range(400):
        watch = RateWatch(reference(random.multinomial(500, UNIFORM_K), 500), false_alarm_rate=0.05)
        watch.observe(class_mix(random, UNIFORM_K, 2_000))
        alarms += watch.result().alarm_at is not None
    assert alarms / 400 <= 0.05


@pytest.mark.parametrize("nominal", [0, 10_000])
def test_a_drift_is_found_at_once_or_after_a_long_time(nominal: int) -> None:
    """One class from 10 % to 30 %."""
    random = np.random.default_rng(1)
    drifted_K = np.where(np.arange(CLASSES) == 2, 0.3, 0.7 / 9)
    watch = RateWatch(reference([500] * CLASSES))
    watch.observe(class_mix(random, UNIFORM_K, nominal))
    assert watch.result().alarm_at is None
    watch.observe(class_mix(random, drifted_K, 400))
    found = watch.result()
    assert found.alarm_at is not None
    assert nominal < found.alarm_at <= nominal + 250
    assert max(found.rates, key=lambda rate: rate.evidence).name == "class 2"
    assert found.largest_evidence >= found.alarm_evidence == pytest.approx(200)


def test_the_alarm_stays_and_a_stored_state_continues() -> None:
    random = np.random.default_rng(2)
    hits_NJ = np.concatenate((random.random((200, 1)) < 0.2, random.random((2_000, 1)) < 0.05))
    whole, first = RateWatch(reference([250])), RateWatch(reference([250]))
    whole.observe(hits_NJ)
    first.observe(hits_NJ[:77])
    state = type(first.state).model_validate_json(first.state.model_dump_json())
    second = RateWatch(reference([250]), state=state)
    second.observe(hits_NJ[77:])
    found, expected = second.result(), whole.result()
    assert found.alarm_at == expected.alarm_at is not None
    assert found.evidence == pytest.approx(expected.evidence, rel=1e-9)
    assert found.largest_evidence == pytest.approx(expected.largest_evidence, rel=1e-9)


def test_rates_of_zero_and_one_are_no_evidence_by_themselves() -> None:
    watch = RateWatch(reference([0, 5_000]))
    watch.observe(np.tile([False, True], (1_000, 1)))
    assert watch.result().evidence <= 1
    watch.observe(np.tile([True, True], (20, 1)))
    assert watch.result().alarm_at is not None


def test_without_images_there_is_no_evidence() -> None:
    watch = RateWatch(reference([250]))
    watch.observe(np.zeros((0, 1), np.bool_))
    found = watch.result()
    assert (found.images, found.evidence, found.alarm_at) == (0, 1.0, None)
    assert RateWatch(reference([250]), state=watch.state).result() == found


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="counts must be"):
        RateWatch(reference([6], 5))
    with pytest.raises(ValueError, match="error rate"):
        RateWatch(reference([5]), false_alarm_rate=1.0)
    watch = RateWatch(reference([5]))
    with pytest.raises(ValueError, match="expected \\[N, 1\\]"):
        watch.observe(np.zeros((3, 2), np.bool_))
    watch.observe(np.zeros((3, 1), np.bool_))
    with pytest.raises(ValueError, match="the state has 1 rates"):
        RateWatch(reference([5, 6]), state=watch.state)
