"""Simulation of the gate's error rates, with few sequences."""

from __future__ import annotations

import numpy as np

from benchmarks.gate.bench import Setting, creeping_loss, false_promotions, power, simulate

SMALL = Setting("small", 0.9, 0.1, 400)


def test_budget_keeps_equal_versions_from_being_promoted() -> None:
    with_budget, without = false_promotions(SMALL, 60, np.random.default_rng(0))
    assert with_budget <= 0.15
    assert without > with_budget


def test_power_grows_with_the_gain_and_falls_with_the_attempts() -> None:
    random = np.random.default_rng(0)
    small, _ = power(SMALL, 0.005, 1, 100, random)
    large, without = power(SMALL, 0.06, 1, 100, random)
    late, _ = power(SMALL, 0.06, 10, 100, random)
    assert small < late < large <= without


def test_creeping_loss_is_smaller_against_the_best_champion() -> None:
    large = Setting("large", 0.9, 0.1, 5_000)
    with_budget, without = creeping_loss(large, 5, np.random.default_rng(0))
    assert with_budget < without


def test_table_has_a_row_for_each_simulation() -> None:
    rows, figures = simulate(SMALL, 10, np.random.default_rng(0))
    assert len(rows) == 11
    assert set(figures) == {
        "small: equal versions, a promotion in 20 attempts, %",
        "small: cheaper versions, accuracy lost in 20 attempts, points",
    }
