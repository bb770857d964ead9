"""Random choice of captured images for labelling, with a known probability for each.

Each image is chosen independently (Poisson sampling), with a probability that grows with the uncertainty of the models.
Weights of one over the probability make estimates unbiased (Horvitz & Thompson 1952). The random numbers come from the
key of the record, so that all processes make the same choice without talking to each other.
"""

from __future__ import annotations

import numpy as np

from service.traffic.record import Answer, CapturedRequest

MIN_PROBABILITY = 0.2
"""Probability of an image on which the models are certain. Weights are at most 5 times that of an uncertain one."""
_RANGE = float(1 << 64)


def choice_probability(record: CapturedRequest) -> float:
    """Probability in [MIN_PROBABILITY, 1] with which a captured image is chosen.

    It is 1 if two models disagree. Otherwise it grows linearly with the uncertainty of the least certain model: one
    minus the margin between its two most probable classes.
    """
    labels = {answer.label for answer in record.answers}
    uncertainty = 1.0 if len(labels) > 1 else max(map(_uncertainty, record.answers))
    return MIN_PROBABILITY + (1 - MIN_PROBABILITY) * uncertainty


def is_chosen(key: str, probability: float) -> bool:
    """True with this probability over random keys."""
    return int(key[:16], 16) / _RANGE < probability


def position(key: str) -> float:
    """Position of the image in the queue, uniform on [0, 1) and independent of `is_chosen`.

    Labelling in this order makes the labelled images a random sample of the chosen ones, however many are labelled.
    """
    return int(key[16:32], 16) / _RANGE


def _uncertainty(answer: Answer) -> float:
    """One minus the margin of the two most probable classes, in [0, 1]."""
    if len(answer.probabilities_K) < 2:
        return 0.0
    second, first = np.partition(answer.probabilities_K, -2)[-2:].tolist()
    return float(min(1.0, max(0.0, 1 - (first - second))))
