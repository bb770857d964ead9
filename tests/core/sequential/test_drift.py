"""Drift tests: uniform ranks, densities, false alarms, detection of each kind of change, batches, limits."""

from __future__ import annotations

import numpy as np
import pytest

from core.sequential.drift import (
    ENERGY_GRID,
    LOG_ODDS_GRID,
    SCORE_BINS,
    Cells,
    DriftTest,
    ScoreGrid,
    _log_densities,
    log_odds,
)

HOLDOUT = 1_000


def energies(random: np.random.Generator, count: int, shift: float = 0.0) -> Cells:
    return ENERGY_GRID.cells_of(random.normal(-10 + shift, 2, count))


def energy_test(random: np.random.Generator, **options: float) -> DriftTest:
    return DriftTest(energies(random, HOLDOUT), ENERGY_GRID.cells, bins=SCORE_BINS, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("bins", [2, 3, 10, SCORE_BINS, 100])
def test_bets_are_densities(bins: int) -> None:
    densities_JB = np.exp(_log_densities(bins))
    assert densities_JB.mean(axis=1) == pytest.approx(np.ones(len(densities_JB)), abs=1e-12)
    assert densities_JB.min() > 0


def test_ranks_without_drift_are_uniform_and_independent() -> None:
    """With ties: class indices have only three values."""
    random = np.random.default_rng(0)
    ranks_SN = np.array(
        [
            DriftTest(random.integers(0, 3, 5), 3, bins=2, seed=seed)._ranks(random.integers(0, 3, 2))
            for seed in range(4_000)
        ]
    )
    assert ranks_SN.mean(axis=0) == pytest.approx([0.5, 0.5], abs=0.02)
    assert ranks_SN.var(axis=0) == pytest.approx([1 / 12, 1 / 12], abs=0.005)
    assert abs(np.corrcoef(ranks_SN.T)[0, 1]) < 0.05
    assert ranks_SN.min() >= 0
    assert ranks_SN.max() < 1


def test_false_alarms_are_rare() -> None:
    """At a false-alarm rate of 10 %, with a small holdout, so that the rate is large enough to be measured."""
    random = np.random.default_rng(1)
    alarms = 0
    for seed in range(200):
        test = DriftTest(energies(random, 50), ENERGY_GRID.cells, bins=10, false_alarm_rate=0.1, seed=seed)
        alarms += test.update(energies(random, 200)).alarm_at is not None
    assert alarms <= 25


def test_a_shift_of_energy_is_found() -> None:
    random = np.random.default_rng(2)
    test = energy_test(random)
    before = test.update(energies(random, 1_000))
    assert before.alarm_at is None
    after = test.update(energies(random, 1_000, shift=1.5))
    assert after.alarm_at is not None
    assert 1_000 < after.alarm_at < 1_400
    assert after.images == 2_000
    assert test.update(energies(random, 10)).alarm_at == after.alarm_at


def test_more_images_above_the_flag_threshold_are_found() -> None:
    random = np.random.default_rng(3)
    scores_N = random.normal(-10, 2, HOLDOUT)
    threshold = np.quantile(scores_N, 0.95)
    test = DriftTest(ENERGY_GRID.cells_of(scores_N), ENERGY_GRID.cells, bins=SCORE_BINS)
    live_N = random.normal(-10, 2, 600)
    live_N[random.random(600) < 0.15] = threshold + 1
    assert test.update(ENERGY_GRID.cells_of(live_N)).alarm_at is not None


def test_a_class_that_comes_more_often_is_found() -> None:
    random = np.random.default_rng(4)
    test = DriftTest(random.integers(0, 10, HOLDOUT), 10, bins=10)
    live_N = np.where(random.random(1_000) < 0.2, 7, random.integers(0, 10, 1_000))
    assert test.update(live_N).alarm_at is not None


def test_batches_give_the_same_state() -> None:
    random = np.random.default_rng(5)
    holdout_N, live_N = energies(random, HOLDOUT), energies(random, 300, shift=0.5)
    once = DriftTest(holdout_N, ENERGY_GRID.cells, bins=SCORE_BINS).update(live_N)
    test = DriftTest(holdout_N, ENERGY_GRID.cells, bins=SCORE_BINS)
    for start in range(0, 300, 7):
        state = test.update(live_N[start : start + 7])
    assert state.evidence == pytest.approx(once.evidence, rel=1e-9)
    assert (state.images, state.alarm_at) == (once.images, once.alarm_at)
    assert test.update(np.zeros(0, np.int64)) == state


def test_scores_are_put_into_cells() -> None:
    grid = ScoreGrid(0.0, 10.0, 5)
    assert grid.cells_of(np.array([-np.inf, 0.0, 1.9, 2.0, 9.9, 10.0, np.inf])).tolist() == [0, 0, 0, 1, 4, 4, 4]
    with pytest.raises(ValueError, match="not a number"):
        grid.cells_of(np.array([np.nan]))


def test_log_odds_spread_out_confidences_near_one() -> None:
    found_N = log_odds(np.array([0.5, 0.9, 0.999, 1.0], np.float32))
    assert found_N[:3] == pytest.approx([0, np.log(9), np.log(999)], abs=1e-3)
    assert len(set(LOG_ODDS_GRID.cells_of(found_N).tolist())) == 4


def test_bad_arguments_are_refused() -> None:
    some_N = np.array([0, 1])
    with pytest.raises(ValueError, match="0 reference images"):
        DriftTest(np.zeros(0, np.int64), 2, bins=2)
    with pytest.raises(ValueError, match="1 bins"):
        DriftTest(some_N, 2, bins=1)
    with pytest.raises(ValueError, match="cells must be in"):
        DriftTest(np.array([2]), 2, bins=2)
    with pytest.raises(ValueError, match="cells must be in"):
        DriftTest(some_N, 2, bins=2).update(np.array([-1]))
    with pytest.raises(ValueError, match="error rate"):
        DriftTest(some_N, 2, bins=2, false_alarm_rate=0)
