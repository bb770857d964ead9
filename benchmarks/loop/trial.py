"""Simulated shadow trials: false verdicts on equal models, and labels until a verdict on stored answers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from core.repository.predictions import load_predictions
from core.sequential.mcnemar import SequentialMcNemar, TrialCounts, log_evidence
from core.statistics.comparison import mcnemar_worse
from core.statistics.power import images_needed

Ints = npt.NDArray[np.integer[Any]]
LEVEL = 0.05
BLOCK = 500
"""Streams per block, which limits the memory."""
NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Pair:
    """Two models on the same images: share of images with each outcome."""

    challenger_right: float
    champion_right: float
    neither: float

    @classmethod
    def stored(cls, champion: Path, challenger: Path) -> Pair:
        """Outcomes of the stored answers to the test images; `neither` counts disagreements only."""
        first, second = load_predictions(champion, "test"), load_predictions(challenger, "test")
        old_N, new_N, labels_N = first.predicted(), second.predicted(), first.labels
        return cls(
            challenger_right=float(np.mean((new_N == labels_N) & (old_N != labels_N))),
            champion_right=float(np.mean((old_N == labels_N) & (new_N != labels_N))),
            neither=float(np.mean((old_N != labels_N) & (new_N != labels_N) & (old_N != new_N))),
        )

    @property
    def disagreements(self) -> float:
        """Share of images with different answers."""
        return self.challenger_right + self.champion_right + self.neither

    @property
    def difference(self) -> float:
        """Accuracy of the challenger minus that of the champion."""
        return self.challenger_right - self.champion_right

    def equal(self) -> Pair:
        """Equally accurate models with as many disagreements."""
        each = (self.challenger_right + self.champion_right) / 2
        return Pair(each, each, self.neither)

    def scores(self, streams: int, labels: int, random: np.random.Generator) -> npt.NDArray[np.int8]:
        """Scores of labelled disagreements, int8 [streams, labels]: 1, -1 or 0."""
        draw_SN = random.random((streams, labels)) * self.disagreements
        lost = self.challenger_right + self.champion_right
        return np.where(draw_SN < self.challenger_right, 1, np.where(draw_SN < lost, -1, 0)).astype(np.int8)


def verdicts(scores_SN: npt.NDArray[np.int8]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Number of labels at the first verdict "challenger better" and "champion better" of each stream; NEVER if none."""
    needed_N = _needed(scores_SN.shape[1], math.log(2 / LEVEL))
    return _first_reached(scores_SN, needed_N), _first_reached(-scores_SN, needed_N)


def peeking(scores_SN: npt.NDArray[np.int8]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The same with McNemar's exact test at 5 % after every label."""
    discordant = scores_SN.shape[1]
    needed_N = np.full(discordant + 1, discordant + 1)
    lost = 0  # most losses at which n discordant labels are significant; grows by at most one with n
    for n in range(1, discordant + 1):
        while lost + 1 <= n and mcnemar_worse(lost, n - lost) < LEVEL / 2:
            lost += 1
        needed_N[n] = n - lost + 1 if lost else discordant + 1
    return _first_reached(scores_SN, needed_N), _first_reached(-scores_SN, needed_N)


def _needed(discordant: int, limit: float) -> Ints:
    """Smallest number of wins among n that reaches the limit, int64 [discordant + 1]; above n if none does."""
    n_N = np.arange(discordant + 1)
    low_N, high_N = np.zeros_like(n_N), n_N + 1
    while (low_N < high_N).any():
        middle_N = (low_N + high_N) // 2
        reached_N = log_evidence(np.minimum(middle_N, n_N), np.maximum(n_N - middle_N, 0), 0) >= limit
        reached_N |= middle_N > n_N
        low_N, high_N = np.where(reached_N, low_N, middle_N + 1), np.where(reached_N, middle_N, high_N)
    return np.asarray(low_N)


def _first_reached(scores_SN: npt.NDArray[np.int8], needed_N: Ints) -> npt.NDArray[np.int64]:
    won_SN = (scores_SN == 1).cumsum(axis=1, dtype=np.int32)
    reached_SN = won_SN >= needed_N[won_SN + (scores_SN == -1).cumsum(axis=1, dtype=np.int32)]
    return np.where(reached_SN.any(axis=1), reached_SN.argmax(axis=1) + 1, NEVER)


def images_until(labels_S: npt.NDArray[np.int64], pair: Pair, random: np.random.Generator) -> npt.NDArray[np.int64]:
    """Images seen until as many disagreements, int64 [S]: labels if images are labelled at random."""
    decided_S = labels_S != NEVER
    seen_S = np.full(len(labels_S), NEVER)
    seen_S[decided_S] = labels_S[decided_S] + random.negative_binomial(labels_S[decided_S], pair.disagreements)
    return seen_S


def fixed_sample(pair: Pair) -> int:
    """Images for McNemar's test with 80 % power at a size fixed in advance."""
    return images_needed(pair.challenger_right + pair.champion_right, pair.difference, LEVEL / 2)


def wrongly_equal(pair: Pair, streams: int, looks: Ints, random: np.random.Generator) -> float:
    """Share of streams in which models that differ by the margin ever get "no difference" at one of the looks.

    Args:
        pair: outcomes; the margin is their difference.
        streams: number of streams.
        looks: numbers of labels, ascending.
        random: source of random numbers.
    """
    test = SequentialMcNemar(error_rate=LEVEL, margin=pair.difference)
    scores_SN = pair.scores(streams, int(looks[-1]), random)
    seen_SL = (looks + random.negative_binomial(looks, pair.disagreements, (streams, len(looks)))).astype(np.int64)
    wrong = 0
    for scores_N, seen_L in zip(scores_SN, seen_SL, strict=True):
        wrong += any(
            test.result(_counts(scores_N[:look], seen)).verdict == "no_difference"
            for look, seen in zip(looks, seen_L.tolist(), strict=True)
        )
    return wrong / streams


def _counts(scores_N: npt.NDArray[np.int8], seen: int) -> TrialCounts:
    won, lost, neither = (int(np.count_nonzero(scores_N == score)) for score in (1, -1, 0))
    return TrialCounts(agreements=seen - len(scores_N), challenger_right=won, champion_right=lost, neither=neither)
