"""Mixture of bets over starting times: sum over all starts, batches, total wealth."""

from __future__ import annotations

import numpy as np
import pytest

from core.sequential.restarts import log_kept, log_started

FACTORS_N = np.random.default_rng(0).uniform(0.5, 1.6, 30)


def started(factors_N: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    """Sum over starts of the stake times the factors from then on, one by one."""
    total = 0.0
    for start in range(1, len(factors_N) + 1):
        stake = 0.9 if start == 1 else 0.1 / (start * (start - 1))
        total += stake * float(np.prod(factors_N[start - 1 :]))
    return total


def test_the_wealth_is_the_sum_over_all_starts() -> None:
    found_N = np.exp(log_started(np.log(FACTORS_N)))
    assert found_N == pytest.approx([started(FACTORS_N[:n]) for n in range(1, 31)], rel=1e-12)


def test_batches_give_the_same_wealth() -> None:
    factors_2N = np.log(np.stack([FACTORS_N, FACTORS_N[::-1]]))
    whole_2N = log_started(factors_2N)
    first_2N = log_started(factors_2N[:, :7])
    second_2N = log_started(factors_2N[:, 7:], 7, first_2N[:, -1])
    assert np.concatenate([first_2N, second_2N], axis=1) == pytest.approx(whole_2N, abs=1e-12)


def test_no_wealth_is_made_or_lost_without_gains() -> None:
    total_N = np.exp(log_started(np.zeros(1_000))) + np.exp(log_kept(np.arange(1, 1_001)))
    assert total_N == pytest.approx(1, abs=1e-12)
