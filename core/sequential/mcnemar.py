"""Sequential McNemar test: compares a challenger with the champion from labels of their disagreements alone.

If both give the same answer, both are right or both are wrong, so that the image needs no label. A disagreement has the
score 1 (only the challenger is right), -1 (only the champion is right) or 0 (neither). The models are equally accurate
if the mean score is 0. McNemar's test (1947) is valid for one look at a number of labels fixed in advance; this one is
valid whenever it is looked at, because it bets on the score (Ramdas, Grünwald, Vovk & Shafer 2023, "Game-theoretic
statistics and safe anytime-valid inference", Statistical Science 38; Waudby-Smith & Ramdas 2024, "Estimating means of
bounded random variables by betting").
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from core.sequential.mean import proportion_interval, require_rate
from core.statistics.intervals import ConfidenceInterval
from core.strict_model import StrictModel

TrialVerdict = Literal["challenger_better", "champion_better", "no_difference", "undecided"]
Counts = npt.NDArray[np.integer[Any]] | int
_RATE_SHARE = 0.02
"""Share of the interval's error rate for the rate of disagreements, which is known from many more images."""
_BISECTIONS = 50
_BETS_J = 2 * np.arange(0.51, 0.995, 0.01) - 1
"""Bets c as shares of the wealth: the bet grows fastest if the challenger wins a share (1 + c) / 2 of the scores."""
_LOG_PRIOR_J = 9 * np.log1p(-(_BETS_J**2))
_LOG_PRIOR_J -= np.logaddexp.reduce(_LOG_PRIOR_J)
"""Half of a Beta(10, 10) distribution of the share won: most challengers win less than 75 % of the disagreements."""


class TrialCounts(StrictModel):
    """Counts of the images that both models have answered."""

    agreements: int = Field(0, ge=0, description="same answer of both; needs no label")
    unlabelled: int = Field(0, ge=0, description="disagreements without a label")
    challenger_right: int = Field(0, ge=0, description="labelled disagreements on which only the challenger is right")
    champion_right: int = Field(0, ge=0, description="labelled disagreements on which only the champion is right")
    neither: int = Field(0, ge=0, description="labelled disagreements on which both are wrong")

    @property
    def labelled(self) -> int:
        """Number of labelled disagreements."""
        return self.challenger_right + self.champion_right + self.neither

    @property
    def disagreements(self) -> int:
        """Number of disagreements, labelled or not."""
        return self.labelled + self.unlabelled

    @property
    def compared(self) -> int:
        """Number of images that both models have answered."""
        return self.agreements + self.disagreements


class TrialResult(StrictModel):
    """Verdict of a sequential McNemar test, with its evidence."""

    verdict: TrialVerdict
    counts: TrialCounts
    evidence_challenger: float = Field(description="e-value against 'the challenger is not better'")
    evidence_champion: float = Field(description="e-value against 'the champion is not better'")
    decisive_evidence: float = Field(description="e-value at which a model is declared better")
    difference: ConfidenceInterval = Field(
        description="accuracy of the challenger minus that of the champion, on [-1, 1], with its confidence sequence"
    )


@dataclass(frozen=True)
class SequentialMcNemar:
    """Test of a challenger against the champion.

    The result depends on the counts alone, so that any process can compute it from stored labels. Disagreements must be
    labelled in the order of their arrival or in a random order, not chosen by content. The first verdict other than
    "undecided" ends the trial: later labels may take the evidence below its limit again, which does not undo it.

    Attributes:
        error_rate: probability, in (0, 1), that equally accurate models ever get the verdict "better" for either; also
            the probability that "no_difference" is ever given to models whose accuracy differs by `margin` or more.
        margin: difference in accuracy that does not matter, in (0, 1).
    """

    error_rate: float = 0.05
    margin: float = 0.01

    def __post_init__(self) -> None:
        require_rate(self.error_rate)
        if not 0 < self.margin < 1:
            raise ValueError(f"the margin must be in (0, 1), got {self.margin}")

    def result(self, counts: TrialCounts) -> TrialResult:
        """Verdict and evidence for these counts."""
        won, lost, neither = counts.challenger_right, counts.champion_right, counts.neither
        challenger = float(log_evidence(won, lost, neither))
        champion = float(log_evidence(lost, won, neither))
        difference = self._difference(counts)
        limit = math.log(2 / self.error_rate)
        verdict: TrialVerdict = "undecided"
        if max(challenger, champion) >= limit:
            verdict = "challenger_better" if challenger > champion else "champion_better"
        elif -self.margin < difference.low and difference.high < self.margin:
            verdict = "no_difference"
        return TrialResult(
            verdict=verdict,
            counts=counts,
            evidence_challenger=math.exp(min(challenger, 700.0)),
            evidence_champion=math.exp(min(champion, 700.0)),
            decisive_evidence=2 / self.error_rate,
            difference=difference,
        )

    def first_result(self, scores: Sequence[int], *, agreements: int, disagreements: int) -> TrialResult:
        """Verdict and evidence at the first label at which a model is declared better, or at the last label.

        The result is the same as with a check after every label, no matter how many labels arrive between two calls.

        Args:
            scores: of the labelled disagreements in the order of their labels: 1, -1 or 0.
            agreements: number of images with the same answer of both models.
            disagreements: number of images with different answers, labelled or not.
        """
        scores_N = np.asarray(scores, np.int64)
        won_N, lost_N, neither_N = (np.cumsum(scores_N == score) for score in (1, -1, 0))
        limit = math.log(2 / self.error_rate)
        decided_N = np.maximum(log_evidence(won_N, lost_N, neither_N), log_evidence(lost_N, won_N, neither_N)) >= limit
        used = int(decided_N.argmax()) + 1 if decided_N.any() else len(scores_N)
        won, lost, neither = (int(np.count_nonzero(scores_N[:used] == score)) for score in (1, -1, 0))
        return self.result(
            TrialCounts(
                agreements=agreements,
                unlabelled=max(0, disagreements - used),
                challenger_right=won,
                champion_right=lost,
                neither=neither,
            )
        )

    def _difference(self, counts: TrialCounts) -> ConfidenceInterval:
        """Rate of disagreements times mean score; the error rates of both intervals add up to `error_rate`."""
        rate = proportion_interval(counts.disagreements, counts.compared, error_rate=_RATE_SHARE * self.error_rate)
        tail = (1 - _RATE_SHARE) * self.error_rate / 2
        won, lost, neither = counts.challenger_right, counts.champion_right, counts.neither
        low, high = lowest_score(won, lost, neither, tail), -lowest_score(lost, won, neither, tail)
        score = (won - lost) / max(1, counts.labelled)
        return ConfidenceInterval(
            value=rate.value * score if counts.compared else 0.0,
            low=min(rate.low * low, rate.high * low),
            high=max(rate.low * high, rate.high * high),
        )


def log_evidence(won: Counts, lost: Counts, neither: Counts, score: float = 0.0) -> npt.NDArray[np.float64]:
    """Log e-value against "the mean score is at most `score`", float64 of the shape of the counts.

    The wealth of a bet c is the product of 1 + c / (1 + score) * (x - score) over the scores x, a supermartingale if
    their mean is at most `score`; the e-value is the average over a fixed distribution of bets. At score 0 this is
    (1 + c) ** won * (1 - c) ** lost, the likelihood ratio of a share won of (1 + c) / 2 and one half.

    Args:
        won: labelled disagreements with score 1.
        lost: those with score -1.
        neither: those with score 0.
        score: in (-1, 1).
    """
    share_J = _BETS_J / (1 + score)
    wealth_J = (
        _LOG_PRIOR_J
        + np.multiply.outer(won, np.log1p(share_J * (1 - score)))
        + np.multiply.outer(neither, np.log1p(-share_J * score))
        + np.multiply.outer(lost, np.log1p(-_BETS_J))
    )
    return np.asarray(np.logaddexp.reduce(wealth_J, axis=-1))


def lowest_score(won: int, lost: int, neither: int, error_rate: float) -> float:
    """Lower confidence sequence of the mean score, on [-1, 1]: the largest score whose e-value is 1 / error_rate.

    The e-value falls with the score. Arguments are those of `log_evidence`.
    """
    limit = -math.log(error_rate)
    low, high = -1.0, 1.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if log_evidence(won, lost, neither, middle) >= limit else (low, middle)
    return low
