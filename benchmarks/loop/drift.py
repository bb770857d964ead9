"""Simulated drift: false alarms and speed of the tests of class mix and confidence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from core.repository.predictions import load_predictions
from core.sequential.drift import RateReference, RateWatch

Quantity = Literal["class mix", "confidence"]
HOLDOUT = 5_000
CONFIDENCE_LIMITS = (0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99)
"""The confidence is watched by the share of images below each of these limits, as by the service."""


@dataclass(frozen=True)
class Traffic:
    """Stored answers to the test images as the population of holdout and traffic.

    Attributes:
        classes_N: predicted class of each image.
        confidence_N: its top probability.
        right_N: whether the answer is correct.
        classes: number of classes.
    """

    classes_N: npt.NDArray[np.int64]
    confidence_N: npt.NDArray[np.float32]
    right_N: npt.NDArray[np.bool_]
    classes: int

    @classmethod
    def stored(cls, folder: Path) -> Traffic:
        """Answers of a version."""
        predictions = load_predictions(folder, "test")
        probabilities_NK = predictions.probabilities["fp32"]
        right_N = predictions.predicted() == predictions.labels
        return cls(predictions.predicted(), probabilities_NK.max(axis=1), right_N, probabilities_NK.shape[1])

    def one_class_doubled(self) -> npt.NDArray[np.float64]:
        """Probabilities of the images if class 3 comes twice as often."""
        share_N = np.where(self.classes_N == 3, 2.0, 1.0)
        return np.asarray(share_N / share_N.sum())

    def wrong_tripled(self) -> npt.NDArray[np.float64]:
        """Probabilities of the images if wrong answers come three times as often."""
        share_N = np.where(self.right_N, 1.0, 3.0)
        return np.asarray(share_N / share_N.sum())

    def properties(self, quantity: Quantity) -> npt.NDArray[np.bool_]:
        """Watched properties of all images, bool [N, J]."""
        if quantity == "class mix":
            return np.asarray(self.classes_N[:, None] == np.arange(self.classes))
        return np.asarray(self.confidence_N[:, None] < np.array(CONFIDENCE_LIMITS))


def alarms(
    traffic: Traffic,
    quantity: Quantity,
    share_N: npt.NDArray[np.float64] | None,
    *,
    streams: int,
    images: int,
    random: np.random.Generator,
    advance: Callable[[int], None] = lambda _: None,
) -> npt.NDArray[np.float64]:
    """Number of live images at the alarm of each stream, float64 [streams]; infinite without an alarm.

    Args:
        traffic: population of the holdout and of traffic without drift.
        quantity: what is watched.
        share_N: probabilities of live images; None without drift.
        streams: number of streams, each with its own holdout.
        images: live images of each stream.
        random: source of random numbers.
        advance: receives the number of finished streams.
    """
    found, hits_NJ = np.full(streams, np.inf), traffic.properties(quantity)
    names = tuple(str(j) for j in range(hits_NJ.shape[1]))
    for stream in range(streams):
        counts_J = np.count_nonzero(hits_NJ[random.integers(0, len(hits_NJ), HOLDOUT)], axis=0)
        watch = RateWatch(RateReference(names=names, counts=tuple(counts_J.tolist()), images=HOLDOUT))
        watch.observe(hits_NJ[random.choice(len(hits_NJ), images, p=share_N)])
        alarm_at = watch.result().alarm_at
        found[stream] = np.inf if alarm_at is None else alarm_at
        advance(1)
    return found
