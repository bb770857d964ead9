"""Drift of rates, such as the class mix, against the holdout: an e-process with a false-alarm rate at any horizon.

The holdout is a finite sample, so that its rates are known up to an interval. An alarm says that a rate of the live
images is outside of its interval. As in Podkopaev & Ramdas 2022, "Tracking the risk of a deployed model and detecting
harmful distribution shifts" (ICLR), half of the false-alarm rate is spent on the holdout's intervals. The other half is
spent on a test by betting that the live rates are inside of them, which is valid at any horizon by Ville's inequality
(Waudby-Smith & Ramdas 2024, "Estimating means of bounded random variables by betting", JRSS-B 86; Ramdas, Grünwald,
Vovk & Shafer 2023, "Game-theoretic statistics and safe anytime-valid inference", Statistical Science 38).

A bet that begins with the first image has lost nearly all its wealth when a late drift begins. The wealth is therefore
spread over bets that begin at each image, a mixture over starting times (Shin, Ramdas & Rinaldo 2024, "E-detectors: a
nonparametric framework for sequential change detection").

Suffixes: J rates, N images, S the two sides (above, below), B bets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from core.sequential.mean import require_rate
from core.strict_model import StrictModel

Floats = npt.NDArray[np.float64]
ODDS_RATIOS_B = np.array([1.5, 2.5, 5.0])
"""Bets: odds of a rate, relative to those of the end of its interval, at which each bet grows fastest."""
_BISECTIONS = 50
_BATCH_CELLS = 200_000
_SMALLEST_RATE = 1e-9


class RateReference(StrictModel):
    """Counts of the holdout: for each rate, the number of images with the property."""

    names: tuple[str, ...] = Field(min_length=1)
    counts: tuple[int, ...]
    images: int = Field(gt=0)


class RateState(StrictModel):
    """Stored state of a `RateWatch`."""

    images: int = 0
    counts: tuple[int, ...] = ()
    log_invested: tuple[float, ...] = ()
    largest_log_evidence: float = 0.0
    alarm_at: int | None = None


class WatchedRate(StrictModel):
    """One rate of the live images, beside the holdout's."""

    name: str
    live: float = Field(description="share of all watched images")
    holdout: float
    low: float = Field(description="lower end of the holdout's interval")
    high: float = Field(description="upper end of the holdout's interval")
    evidence: float = Field(description="part of the evidence that comes from this rate")


class RateDrift(StrictModel):
    """Evidence that live rates differ from the holdout's."""

    images: int
    evidence: float = Field(description="e-value against 'every rate is inside of its interval'; 1 without evidence")
    largest_evidence: float
    alarm_evidence: float = Field(description="evidence at which the alarm is raised")
    alarm_at: int | None = Field(description="number of images at the alarm; null: no alarm")
    rates: tuple[WatchedRate, ...]


class RateWatch:
    """Watches the rates of J properties of live images.

    The alarm is false with probability at most `false_alarm_rate`, over the holdout and any number of live images, if
    each live image has each property with the rate of the holdout's population given the images before it. Properties
    may overlap. A threshold that was fitted on the holdout, such as a quantile, is allowed.
    """

    def __init__(
        self, reference: RateReference, *, false_alarm_rate: float = 0.01, state: RateState | None = None
    ) -> None:
        """Begin, or continue from a stored state.

        Raises:
            ValueError: a count or the rate is out of range, or the state belongs to other rates.
        """
        require_rate(false_alarm_rate)
        self._reference = reference
        self._limit = float(np.log(2 / false_alarm_rate))
        self._low_J, self._high_J = rate_bounds(reference.counts, reference.images, error_rate=false_alarm_rate / 2)
        self._hit_SBJ, self._miss_SBJ = _log_factors(self._low_J, self._high_J)
        rates = len(reference.names)
        if state is None or not state.images:
            self._images = 0
            self._counts_J = np.zeros(rates, np.int64)
            self._invested_SBJ = np.full(self._hit_SBJ.shape, -np.inf)
            self._largest = 0.0
            self._alarm_at: int | None = None
            return
        if len(state.counts) != rates or len(state.log_invested) != self._hit_SBJ.size:
            raise ValueError(f"the state has {len(state.counts)} rates, the reference {rates}")
        self._images, self._largest, self._alarm_at = state.images, state.largest_log_evidence, state.alarm_at
        self._counts_J = np.array(state.counts, np.int64)
        self._invested_SBJ = np.array(state.log_invested).reshape(self._hit_SBJ.shape)

    @property
    def state(self) -> RateState:
        """The state, from which another watch of the same reference continues."""
        if not self._images:
            return RateState()
        return RateState(
            images=self._images,
            counts=tuple(self._counts_J.tolist()),
            log_invested=tuple(self._invested_SBJ.ravel().tolist()),
            largest_log_evidence=self._largest,
            alarm_at=self._alarm_at,
        )

    def observe(self, hits_NJ: npt.NDArray[np.bool_]) -> None:
        """Take live images in the order of their time.

        Args:
            hits_NJ: [N, J], whether image n has property j.

        Raises:
            ValueError: another number of properties.
        """
        if hits_NJ.ndim != 2 or hits_NJ.shape[1] != len(self._counts_J):
            raise ValueError(f"expected [N, {len(self._counts_J)}] properties, got {hits_NJ.shape}")
        step = max(1, _BATCH_CELLS // self._hit_SBJ.size)
        for start in range(0, len(hits_NJ), step):
            self._take(hits_NJ[start : start + step])

    def result(self) -> RateDrift:
        """The evidence after the images so far."""
        wealth_J = np.exp(np.minimum(np.logaddexp.reduce(self._invested_SBJ, axis=(0, 1)), 700.0))
        total = float(_log_cash(np.array([self._images]))[0])
        total = float(np.logaddexp(total, np.logaddexp.reduce(self._invested_SBJ, axis=None)))
        reference = self._reference
        return RateDrift(
            images=self._images,
            evidence=_exp(total),
            largest_evidence=_exp(self._largest),
            alarm_evidence=_exp(self._limit),
            alarm_at=self._alarm_at,
            rates=tuple(
                WatchedRate(
                    name=name,
                    live=float(self._counts_J[j]) / max(1, self._images),
                    holdout=reference.counts[j] / reference.images,
                    low=float(self._low_J[j]),
                    high=float(self._high_J[j]),
                    evidence=float(wealth_J[j]),
                )
                for j, name in enumerate(reference.names)
            ),
        )

    def _take(self, hits_NJ: npt.NDArray[np.bool_]) -> None:
        """invested[n] = (invested[n - 1] + prior * (cash[n - 1] - cash[n])) * factor[n], unrolled over N images."""
        numbers_N = self._images + np.arange(len(hits_NJ) + 1)
        log_cash_N = _log_cash(numbers_N)
        released_N = log_cash_N[:-1] + np.log1p(-np.exp(log_cash_N[1:] - log_cash_N[:-1]))
        steps_NSBJ = np.where(hits_NJ[:, None, None, :], self._hit_SBJ, self._miss_SBJ)
        growth_NSBJ = steps_NSBJ.cumsum(axis=0)
        before_NSBJ = growth_NSBJ - steps_NSBJ
        added_NSBJ = released_N[:, None, None, None] - np.log(self._hit_SBJ.size) - before_NSBJ
        np.logaddexp(added_NSBJ[0], self._invested_SBJ, out=added_NSBJ[0])
        invested_NSBJ = np.logaddexp.accumulate(added_NSBJ, axis=0) + growth_NSBJ
        wealth_N = np.logaddexp(log_cash_N[1:], np.logaddexp.reduce(invested_NSBJ, axis=(1, 2, 3)))
        alarms_N = np.flatnonzero(wealth_N >= self._limit)
        if self._alarm_at is None and len(alarms_N):
            self._alarm_at = self._images + int(alarms_N[0]) + 1
        self._largest = max(self._largest, float(wealth_N.max()))
        self._invested_SBJ = invested_NSBJ[-1]
        self._counts_J += hits_NJ.sum(axis=0)
        self._images += len(hits_NJ)


def rate_bounds(counts_J: Sequence[int], images: int, *, error_rate: float) -> tuple[Floats, Floats]:
    """Intervals of J rates that all hold together with probability 1 - error_rate: low and high ends, float64 [J].

    Chernoff's bound for a binomial share (Hoeffding 1963, "Probability inequalities for sums of bounded random
    variables", theorem 1), P(share >= s) <= exp(-images * KL(s, rate)), with Bonferroni's correction over 2 J ends. It
    also holds for the share beyond a threshold that is a quantile of the same images.

    Raises:
        ValueError: a count or the error rate is out of range.
    """
    require_rate(error_rate)
    counts = np.asarray(counts_J, np.float64)
    if not counts.size or counts.min() < 0 or counts.max() > images or images < 1:
        raise ValueError(f"counts must be in [0, {images}]")
    share_J = counts / images
    limit = np.log(2 * counts.size / error_rate) / images
    return _end(share_J, 0.0, limit), _end(share_J, 1.0, limit)


def _end(share_J: Floats, outside: float, limit: float) -> Floats:
    """Rate between the share and `outside` (0 or 1) whose divergence is `limit`, by bisection."""
    inside_J, outside_J = share_J.copy(), np.full(share_J.shape, outside)
    for _ in range(_BISECTIONS):
        middle_J = (inside_J + outside_J) / 2
        within_J = _divergence(share_J, middle_J) < limit
        inside_J, outside_J = np.where(within_J, middle_J, inside_J), np.where(within_J, outside_J, middle_J)
    return outside_J


def _divergence(share_J: Floats, rate_J: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        hit_J = np.where(share_J > 0, share_J * np.log(share_J / rate_J), 0.0)
        miss_J = np.where(share_J < 1, (1 - share_J) * np.log((1 - share_J) / (1 - rate_J)), 0.0)
    return np.asarray(hit_J + miss_J, np.float64)


def _log_factors(low_J: Floats, high_J: Floats) -> tuple[Floats, Floats]:
    """Log factors of the wealth for an image with and without the property, float64 [S, B, J].

    Above: the likelihood ratio of the rates q and `high`, with odds of q that are larger by the bet's ratio; its mean
    is at most 1 if the rate is at most `high`. Below: the same for `low` and smaller odds. An end at 0 or 1 cannot be
    crossed, so that its factors are 1.
    """
    ends_SJ = np.clip(np.stack((high_J, low_J)), _SMALLEST_RATE, 1 - _SMALLEST_RATE)
    ratios_SB = np.stack((ODDS_RATIOS_B, 1 / ODDS_RATIOS_B))
    odds_SBJ = ratios_SB[:, :, None] * (ends_SJ / (1 - ends_SJ))[:, None, :]
    alternatives_SBJ = odds_SBJ / (1 + odds_SBJ)
    hit_SBJ = np.log(alternatives_SBJ) - np.log(ends_SJ)[:, None, :]
    miss_SBJ = np.log1p(-alternatives_SBJ) - np.log1p(-ends_SJ)[:, None, :]
    fixed_SJ = np.stack((high_J >= 1 - _SMALLEST_RATE, low_J <= _SMALLEST_RATE))[:, None, :]
    return np.where(fixed_SJ, 0.0, hit_SBJ), np.where(fixed_SJ, 0.0, miss_SBJ)


def _log_cash(images_N: npt.NDArray[np.integer[Any]]) -> Floats:
    """Log of the wealth that is not yet bet after n images, 1 / log2(n + 2): it falls from 1 and never ends."""
    return np.asarray(-np.log(np.log2(images_N + 2.0)), np.float64)


def _exp(value: float) -> float:
    return float(np.exp(min(value, 700.0)))
