"""Drift of class mix, energy and confidence: conformal test martingales of live images against the holdout.

Without drift, holdout and live images are exchangeable, and the rank of each live image among the holdout and the live
images before it, with ties broken at random, is uniform on [0, 1] and independent of the ranks before. A martingale
bets against that (Vovk, Gammerman & Shafer 2022, "Algorithmic learning in a random world", chapter 8; Vovk, Nouretdinov
& Gammerman 2003, "Testing exchangeability on-line", ICML). The size of the holdout needs no approximation.

Images of one client or of one time of day often resemble each other. Such traffic is not exchangeable, and an alarm
about it is true in that sense.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from core.sequential.mean import require_rate
from core.sequential.restarts import log_kept, log_started
from core.strict_model import StrictModel

Cells = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
SCORE_BINS = 20
"""Bins of ranks of energy and confidence: the highest one has the images that are flagged on the holdout (5 %)."""
_TILTS = (-4.0, -2.0, -1.0, -0.5, 0.5, 1.0, 2.0, 4.0)
_SHARES = (0.25, 0.5, 2.0, 4.0)


@dataclass(frozen=True)
class ScoreGrid:
    """Equal cells for scores. They are constants, because the ranks are uniform only if no data choose the cells.

    Attributes:
        low: lower end; scores below it are in cell 0.
        high: upper end; scores above it are in the last cell.
        cells: number of cells.
    """

    low: float
    high: float
    cells: int

    def cells_of(self, scores_N: npt.NDArray[np.floating[Any]]) -> Cells:
        """Cell of each score, int64 [N] in [0, cells).

        Raises:
            ValueError: a score is not a number.
        """
        if np.isnan(scores_N).any():
            raise ValueError("a score is not a number")
        relative_N = (np.clip(scores_N, self.low, self.high) - self.low) / (self.high - self.low)
        return np.asarray(np.minimum(relative_N * self.cells, self.cells - 1), np.int64)


ENERGY_GRID = ScoreGrid(-100.0, 100.0, 4_000)
"""Grid of `core.statistics.energy.energy`."""
LOG_ODDS_GRID = ScoreGrid(-5.0, 20.0, 1_000)
"""Grid of `log_odds`."""


def log_odds(confidence_N: npt.NDArray[np.floating[Any]]) -> Floats:
    """Log odds of top probabilities, float64 [N]: spreads out confidences near 1."""
    inside_N = np.clip(np.asarray(confidence_N, np.float64), 1e-12, 1 - 1e-12)
    return np.asarray(np.log(inside_N) - np.log1p(-inside_N))


class DriftState(StrictModel):
    """State of a drift test after some live images."""

    images: int = Field(description="number of live images")
    evidence: float = Field(description="e-value against 'live images are like holdout images'; 1 without evidence")
    largest_evidence: float
    alarm_at: int | None = Field(description="number of live images at the alarm; null: no alarm")


class DriftTest:
    """Test of one quantity: predicted classes, energies or confidences.

    An alarm comes when the evidence reaches 1 / false_alarm_rate. Without drift this ever happens with probability at
    most `false_alarm_rate`. A version with other thresholds or weights needs a new test.
    """

    def __init__(
        self, reference_N: Cells, cells: int, *, bins: int, false_alarm_rate: float = 0.01, seed: int = 0
    ) -> None:
        """Start without live images.

        Args:
            reference_N: int64 [N], N >= 1, in [0, cells): classes or cells of the scores of holdout images.
            cells: number of classes or cells.
            bins: number of bins of ranks: the number of classes, or `SCORE_BINS`.
            false_alarm_rate: in (0, 1).
            seed: of the random numbers that break ties.

        Raises:
            ValueError: no reference, a cell or the rate is out of range, or fewer than two bins.
        """
        require_rate(false_alarm_rate)
        if not len(reference_N) or bins < 2:
            raise ValueError(f"{len(reference_N)} reference images, {bins} bins")
        self._counts_G = np.bincount(_inside(reference_N, cells), minlength=cells)
        self._random = np.random.default_rng(seed)
        self._log_densities_JB = _log_densities(bins)
        self._log_running_J = np.full(len(self._log_densities_JB), -np.inf)
        self._limit = 1 / false_alarm_rate
        self.state = DriftState(images=0, evidence=1.0, largest_evidence=1.0, alarm_at=None)

    def update(self, cells_N: Cells) -> DriftState:
        """Add live images in their order.

        Args:
            cells_N: int64 [N], in the cells of the reference.

        Raises:
            ValueError: a cell is out of range.
        """
        if not len(_inside(cells_N, len(self._counts_G))):
            return self.state
        log_densities_JB, before = self._log_densities_JB, self.state.images
        bins_N = (self._ranks(cells_N) * log_densities_JB.shape[1]).astype(np.int64)
        started_JN = log_started(log_densities_JB[:, bins_N], before, self._log_running_J)
        self._log_running_J = started_JN[:, -1]
        bets_N = np.logaddexp.reduce(started_JN, axis=0) - np.log(len(log_densities_JB))
        log_evidence_N = np.logaddexp(bets_N, log_kept(before + 1 + np.arange(len(cells_N))))
        evidence_N = np.exp(np.minimum(log_evidence_N, 700.0))
        alarms_N = np.flatnonzero(evidence_N >= self._limit)
        alarm_at = self.state.alarm_at
        if alarm_at is None and len(alarms_N):
            alarm_at = before + 1 + int(alarms_N[0])
        self.state = DriftState(
            images=before + len(cells_N),
            evidence=float(evidence_N[-1]),
            largest_evidence=max(self.state.largest_evidence, float(evidence_N.max())),
            alarm_at=alarm_at,
        )
        return self.state

    def _ranks(self, cells_N: Cells) -> Floats:
        """Rank in [0, 1) of each image among the reference, the images before it and itself; ties at random."""
        counts_G, ranks_N = self._counts_G, self._random.random(len(cells_N))
        total = int(counts_G.sum())
        for image, cell in enumerate(cells_N):
            counts_G[cell] += 1
            total += 1
            ranks_N[image] = (counts_G[:cell].sum() + ranks_N[image] * counts_G[cell]) / total
        return ranks_N


def _inside(cells_N: Cells, cells: int) -> Cells:
    if len(cells_N) and not 0 <= cells_N.min() <= cells_N.max() < cells:
        raise ValueError(f"cells must be in [0, {cells}), got {cells_N.min()} to {cells_N.max()}")
    return cells_N


def _log_densities(bins: int) -> Floats:
    """Log of the bets, densities over equal bins with mean 1, float64 [J, bins].

    Exponential tilts win if ranks become higher or lower; bets on one bin win if it gets more or fewer images.
    """
    middles_B = (np.arange(bins) + 0.5) / bins
    tilts_JB = np.exp(np.array(_TILTS)[:, None] * middles_B)
    single_JB = [
        np.where(np.arange(bins) == chosen, share, (bins - share) / (bins - 1))
        for share in _SHARES
        if share < bins
        for chosen in range(bins)
    ]
    densities_JB = np.concatenate([tilts_JB / tilts_JB.mean(axis=1, keepdims=True), single_JB])
    return np.asarray(np.log(densities_JB))
