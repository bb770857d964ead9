"""Simulated drift: false alarms and speed of the tests of class mix and confidence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from core.repository.predictions import load_predictions
from core.sequential.drift import LOG_ODDS_GRID, SCORE_BINS, DriftTest, log_odds

Cells = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Traffic:
    """Stored answers to the test images as traffic; the reference is another draw of 5,000 of them.

    Attributes:
        classes_N: predicted class of each image.
        confidence_N: cell of its confidence.
        right_N: whether the answer is correct.
        classes: number of classes.
    """

    classes_N: Cells
    confidence_N: Cells
    right_N: npt.NDArray[np.bool_]
    classes: int

    @classmethod
    def stored(cls, folder: Path) -> Traffic:
        """Answers of a version."""
        predictions = load_predictions(folder, "test")
        probabilities_NK = predictions.probabilities["fp32"]
        return cls(
            predictions.predicted(),
            LOG_ODDS_GRID.cells_of(log_odds(probabilities_NK.max(axis=1))),
            predictions.predicted() == predictions.labels,
            probabilities_NK.shape[1],
        )

    def one_class_doubled(self) -> npt.NDArray[np.float64]:
        """Probabilities of the images if class 3 comes twice as often."""
        share_N = np.where(self.classes_N == 3, 2.0, 1.0)
        return np.asarray(share_N / share_N.sum())

    def wrong_tripled(self) -> npt.NDArray[np.float64]:
        """Probabilities of the images if wrong answers come three times as often."""
        share_N = np.where(self.right_N, 1.0, 3.0)
        return np.asarray(share_N / share_N.sum())


def alarms(
    traffic: Traffic,
    quantity: str,
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
        quantity: "class mix" or "confidence".
        share_N: probabilities of live images; None without drift.
        streams: number of streams, each with its own holdout of 5,000 images.
        images: live images of each stream.
        random: source of random numbers.
        advance: receives the number of finished streams.
    """
    if quantity == "class mix":
        population_N, cells, bins = traffic.classes_N, traffic.classes, traffic.classes
    else:
        population_N, cells, bins = traffic.confidence_N, LOG_ODDS_GRID.cells, SCORE_BINS
    found = np.full(streams, np.inf)
    for stream in range(streams):
        test = DriftTest(random.choice(population_N, 5_000), cells, bins=bins, seed=stream)
        alarm_at = test.update(random.choice(population_N, images, p=share_N)).alarm_at
        found[stream] = np.inf if alarm_at is None else alarm_at
        advance(1)
    return found
