"""Mixture of bets over starting times: keeps a test fast if the change comes late.

A bet that was lost for a long time needs long to recover. Part of the wealth is therefore kept, and starts the bet anew
before each later observation. A weighted sum of supermartingales that start at different times is a supermartingale, so
that the error rate holds as before (Ramdas, Grünwald, Vovk & Shafer 2023, "Game-theoretic statistics and safe
anytime-valid inference", Statistical Science 38; Shin, Ramdas & Rinaldo 2023, "E-detectors", section 3, for weights).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
_KEPT = 0.1
"""Share of the wealth that is kept for later starts. Observation k > 1 gets 1 / (k * (k - 1)) of it."""


def log_started(log_factors_N: Floats, before: int = 0, log_running: Floats | float = -np.inf) -> Floats:
    """Log wealth of all started bets after each observation, float64 [..., N], without the kept wealth.

    Args:
        log_factors_N: [..., N], log of the factors by which the bet multiplies its wealth.
        before: number of observations before these.
        log_running: [...], result of the last one of them; minus infinity at the start.
    """
    log_wealth_N = log_factors_N.cumsum(axis=-1)
    log_before_N = log_wealth_N - log_factors_N
    stakes_N = _log_stakes(before + 1 + np.arange(log_factors_N.shape[-1])) - log_before_N
    stakes_N[..., :1] = np.logaddexp(stakes_N[..., :1], np.asarray(log_running)[..., None])
    return np.asarray(log_wealth_N + np.logaddexp.accumulate(stakes_N, axis=-1))


def log_kept(observations_N: npt.NDArray[np.int64]) -> Floats:
    """Log of the wealth that is kept after these numbers of observations, at least 1 each."""
    return np.asarray(np.log(_KEPT) - np.log(observations_N))


def _log_stakes(observations_N: npt.NDArray[np.int64]) -> Floats:
    """Log of the wealth that starts before observation k, from 1."""
    before_N = np.maximum(observations_N - 1, 1)
    later_N = np.log(_KEPT) - np.log(before_N) - np.log(observations_N)
    return np.asarray(np.where(observations_N == 1, np.log(1 - _KEPT), later_N))
