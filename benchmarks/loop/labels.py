"""Simulated labels: coverage alarms, and accuracy from images that were chosen by uncertainty."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from core.repository.predictions import load_predictions
from core.sequential.coverage import log_wealth
from core.sequential.mean import BETS_J, weighted_interval
from core.statistics.intervals import wilson_interval

Floats = npt.NDArray[np.float64]
BLOCK = 200
"""Streams per block, which limits the memory."""
Advance = Callable[[int], None]


def alarms(
    miss_rates_N: Floats, streams: int, random: np.random.Generator, advance: Advance = lambda _: None
) -> npt.NDArray[np.float64]:
    """Number of labels at the alarm of each stream, float64 [streams]; infinite without an alarm.

    Nominal miss rate and false-alarm rate are 1 %.

    Args:
        miss_rates_N: [N], probability of a miss at each label.
        streams: number of streams.
        random: source of random numbers.
        advance: receives the number of finished streams.
    """
    found = []
    for start in range(0, streams, BLOCK):
        block = min(BLOCK, streams - start)
        missed_SN = random.random((block, len(miss_rates_N))) < miss_rates_N
        reached_SN = log_wealth(missed_SN, np.ones(len(miss_rates_N)), 0.01) >= math.log(100)
        found.append(np.where(reached_SN.any(axis=1), reached_SN.argmax(axis=1) + 1.0, np.inf))
        advance(block)
    return np.concatenate(found)


@dataclass(frozen=True)
class Population:
    """Images with the probability that each is the next to be labelled.

    Attributes:
        right_N: whether the model's answer is correct.
        chosen_N: probability of each image, with sum 1.
        weights_N: inverse probabilities, relative to a uniform choice.
        largest_weight: bound of the weights by the uniform part of the choice.
    """

    right_N: npt.NDArray[np.bool_]
    chosen_N: Floats
    weights_N: Floats
    largest_weight: float

    @classmethod
    def stored(cls, folder: Path, uniform: float) -> Population:
        """Test images of a version, chosen uniformly or by 1 - top probability, with this share of uniform choices."""
        predictions = load_predictions(folder, "test")
        uncertainty_N = 1 - predictions.probabilities["fp32"].max(axis=1).astype(np.float64)
        images = len(uncertainty_N)
        chosen_N = uniform / images + (1 - uniform) * uncertainty_N / uncertainty_N.sum()
        weights_N = 1 / (images * chosen_N)
        return cls(predictions.predicted() == predictions.labels, chosen_N, weights_N, 1 / uniform)

    @property
    def accuracy(self) -> float:
        """True accuracy."""
        return float(self.right_N.mean())

    def draw(self, streams: int, labels: int, random: np.random.Generator) -> tuple[npt.NDArray[np.bool_], Floats]:
        """Correctness and weights of the labelled images, [streams, labels] each."""
        image_SN = random.choice(len(self.chosen_N), (streams, labels), p=self.chosen_N)
        return self.right_N[image_SN], self.weights_N[image_SN]


@dataclass(frozen=True)
class Misses:
    """Share of streams whose interval misses the true accuracy after any label.

    Attributes:
        confidence_sequence: `weighted_interval`.
        wald: weighted mean +- 1.96 standard errors, from label 30.
        unweighted: Wilson's interval of the labelled images without weights, from label 30.
    """

    confidence_sequence: float
    wald: float
    unweighted: float


def misses(
    population: Population, streams: int, labels: int, random: np.random.Generator, advance: Advance = lambda _: None
) -> Misses:
    """Simulate labels and look after each of them."""
    missed = np.zeros(3)
    for start in range(0, streams, BLOCK):
        block = min(BLOCK, streams - start)
        right_SN, weights_SN = population.draw(block, labels, random)
        missed += [
            np.count_nonzero(each)
            for each in (
                _sequence_misses(right_SN, weights_SN / population.largest_weight, population.accuracy),
                _wald_misses(right_SN, weights_SN, population.accuracy),
                _wilson_misses(right_SN, population.accuracy),
            )
        ]
        advance(block)
    return Misses(*(missed / streams).tolist())


def _sequence_misses(right_SN: npt.NDArray[np.bool_], relative_SN: Floats, mean: float) -> npt.NDArray[np.bool_]:
    """Streams whose wealth against the true mean ever reaches 2 / 5 %, on either side."""
    missed_S = np.zeros(len(right_SN), np.bool_)
    for values_SN, truth in ((right_SN, mean), (~right_SN, 1 - mean)):
        gains_SN = relative_SN * (values_SN / truth - 1)
        wealth_SN = np.zeros_like(gains_SN)
        for bet in BETS_J:
            wealth_SN += np.exp(np.minimum(np.log1p(bet * gains_SN).cumsum(axis=1), 600.0)) / len(BETS_J)
        missed_S |= (wealth_SN >= 40).any(axis=1)
    return missed_S


def _wald_misses(right_SN: npt.NDArray[np.bool_], weights_SN: Floats, mean: float) -> npt.NDArray[np.bool_]:
    sums = weights_SN.cumsum(axis=1)
    values_SN = (weights_SN * right_SN).cumsum(axis=1) / sums
    squares = ((weights_SN**2) * right_SN).cumsum(axis=1), (weights_SN**2).cumsum(axis=1)
    # Sum of w^2 (x - m)^2 for x in {0, 1}
    spread_SN = squares[0] * (1 - 2 * values_SN) + squares[1] * values_SN**2
    outside_SN = np.abs(values_SN - mean) > 1.96 * np.sqrt(np.maximum(spread_SN, 0)) / sums
    return np.asarray(outside_SN[:, 29:].any(axis=1))


def _wilson_misses(right_SN: npt.NDArray[np.bool_], mean: float) -> npt.NDArray[np.bool_]:
    """Wilson's interval contains the mean if the score test at the mean does not reject it."""
    labels_N = np.arange(1, right_SN.shape[1] + 1)
    shares_SN = right_SN.cumsum(axis=1) / labels_N
    outside_SN = np.abs(shares_SN - mean) > 1.96 * np.sqrt(mean * (1 - mean) / labels_N)
    return np.asarray(outside_SN[:, 29:].any(axis=1))


def widths(population: Population, labels: int, streams: int, random: np.random.Generator) -> tuple[float, float]:
    """Median width in points after all labels: confidence sequence, and Wilson's interval of as many uniform labels."""
    right_SN, weights_SN = population.draw(streams, labels, random)
    found = [
        weighted_interval(right_N.astype(np.float64), weights_N, largest_weight=population.largest_weight)
        for right_N, weights_N in zip(right_SN, weights_SN, strict=True)
    ]
    low, high = wilson_interval(round(labels * population.accuracy), labels)
    return 100 * float(np.median([each.high - each.low for each in found])), 100 * (high - low)
