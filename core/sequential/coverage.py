"""Coverage alarm: a betting martingale against "prediction sets miss the true class at most at the nominal rate".

Its false-alarm rate holds at any horizon by Ville's inequality (Shafer 2021, "Testing by betting", JRSS-A 184; Ramdas,
Grünwald, Vovk & Shafer 2023, "Game-theoretic statistics and safe anytime-valid inference", Statistical Science 38;
Podkopaev & Ramdas 2022, "Tracking the risk of a deployed model and detecting harmful distribution shifts", ICLR).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from core.sequential.mean import require_rate
from core.sequential.restarts import log_kept, log_started
from core.strict_model import StrictModel

ODDS_RATIOS_J = np.array([3.0, 4.5, 9.0])
"""Bets: odds of a miss, relative to the nominal odds, at which each bet grows fastest."""
PRIOR_J = np.array([1.0, 4.0, 1.0]) / 6
"""Share of the initial wealth on each bet."""


class CoverageWatch(StrictModel):
    """State of the coverage alarm after some labels."""

    labels: int
    misses: int = Field(description="labelled images whose prediction set lacks the true class")
    nominal_miss_rate: float
    wealth: float = Field(description="evidence against the nominal rate; 1 without evidence")
    largest_wealth: float = Field(description="largest wealth after any label")
    alarm_at: int | None = Field(description="number of labels at the alarm; null: no alarm")


def watch_coverage(
    missed_N: npt.NDArray[np.bool_],
    *,
    nominal_miss_rate: float = 0.01,
    false_alarm_rate: float = 0.01,
    weights_N: npt.NDArray[np.floating[Any]] | None = None,
    largest_weight: float = 1.0,
) -> CoverageWatch:
    """Raise an alarm when the wealth reaches 1 / false_alarm_rate.

    The alarm is false with probability at most `false_alarm_rate`, at any number of labels, if each label misses at
    most at the nominal rate given the labels before it. Weights slow the alarm down by about their largest value, so
    that labels of uniformly chosen images are the better input.

    Args:
        missed_N: [N], in the order of the labels: whether the prediction set lacks the true class.
        nominal_miss_rate: in (0, 1); 0.01 for sets that contain the true class of 99 % of the images.
        false_alarm_rate: in (0, 1).
        weights_N: [N], in (0, largest_weight]: inverse probabilities of being labelled; by default all 1.
        largest_weight: upper bound of all weights, fixed before the labels are known.

    Raises:
        ValueError: a rate or a weight is out of range, or arrays of different lengths.
    """
    require_rate(false_alarm_rate)
    relative_N = np.ones(len(missed_N)) if weights_N is None else np.asarray(weights_N, np.float64) / largest_weight
    if relative_N.shape != missed_N.shape:
        raise ValueError(f"expected one weight per label: {missed_N.shape} labels, {relative_N.shape} weights")
    if len(relative_N) and not 0 < relative_N.min() <= relative_N.max() <= 1 + 1e-9:
        raise ValueError(f"weights must be in (0, {largest_weight}]")
    wealth_N = np.exp(np.minimum(log_wealth(missed_N, relative_N, nominal_miss_rate), 700.0))
    alarms_N = np.flatnonzero(wealth_N >= 1 / false_alarm_rate)
    return CoverageWatch(
        labels=len(missed_N),
        misses=int(np.count_nonzero(missed_N)),
        nominal_miss_rate=nominal_miss_rate,
        wealth=float(wealth_N[-1]) if len(wealth_N) else 1.0,
        largest_wealth=max(1.0, float(wealth_N.max())) if len(wealth_N) else 1.0,
        alarm_at=int(alarms_N[0]) + 1 if len(alarms_N) else None,
    )


def log_wealth(
    missed_N: npt.NDArray[np.bool_], relative_N: npt.NDArray[np.float64], nominal_miss_rate: float
) -> npt.NDArray[np.float64]:
    """Log wealth after each label, float64 [..., N], for labels along the last axis.

    A bet multiplies its wealth by 1 + b * w * (miss - a), for the nominal rate a and the weight w, as a share of the
    largest weight. With b = (q - a) / (a * (1 - a)) and w = 1 this is the likelihood ratio of the miss rates q and a.
    The wealth is the average over bets and starting times (`core.sequential.restarts`).

    Args:
        missed_N: [..., N].
        relative_N: [N], weights over the largest weight, in (0, 1].
        nominal_miss_rate: in (0, 1).

    Raises:
        ValueError: the rate is out of range.
    """
    require_rate(nominal_miss_rate)
    alternatives_J = ODDS_RATIOS_J * nominal_miss_rate
    alternatives_J /= 1 - nominal_miss_rate + alternatives_J
    log_wealth_N = np.full(missed_N.shape, -np.inf)
    for alternative, prior in zip(alternatives_J, PRIOR_J, strict=True):
        bet = (alternative - nominal_miss_rate) / (nominal_miss_rate * (1 - nominal_miss_rate))
        steps_N = np.where(
            missed_N,
            np.log1p(bet * relative_N * (1 - nominal_miss_rate)),
            np.log1p(-bet * relative_N * nominal_miss_rate),
        )
        np.logaddexp(log_wealth_N, np.log(prior) + log_started(steps_N), out=log_wealth_N)
    return np.asarray(np.logaddexp(log_wealth_N, log_kept(1 + np.arange(missed_N.shape[-1]))))
