"""What logits mean: calibrated probabilities, prediction sets, out-of-distribution flags, agreement of models."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from core.api import ClassProbability, OutOfDistribution, Prediction
from core.statistics.calibration import softmax
from core.statistics.conformal import prediction_set
from core.statistics.divergence import jensen_shannon_bits
from core.statistics.energy import energy
from service.engine.arrays import Floats
from service.engine.served import ServedVersion

# Digits that a float32 model can vouch for; more would only make answers longer.
DIGITS = 6


def predictions(
    served: ServedVersion, logits_NK: Floats, described: Sequence[tuple[str | None, tuple[str, ...]]], top_k: int
) -> list[Prediction]:
    """The answers to N images.

    Args:
        served: the version that gave the logits.
        logits_NK: [N, K].
        described: file name and notes of each image.
        top_k: how many classes to list; all of them where the model knows fewer.
    """
    probabilities_NK = softmax(logits_NK, served.calibration.temperature)
    energies_N = energy(logits_NK)
    return [
        _prediction(served, probabilities_NK[i], float(energies_N[i]), filename, notes, top_k)
        for i, (filename, notes) in enumerate(described)
    ]


def divergence_bits(served: Sequence[ServedVersion], logits: Sequence[Floats]) -> float:
    """Jensen-Shannon divergence of several versions' probabilities for one image, over the union of their classes.

    Args:
        served: the versions.
        logits: float32 [1, K] of each; K may differ.
    """
    column = {label: i for i, label in enumerate(dict.fromkeys(label for one in served for label in one.labels))}
    distributions_MK = np.zeros((len(served), len(column)))
    for row, (one, logits_1K) in enumerate(zip(served, logits, strict=True)):
        distributions_MK[row, [column[label] for label in one.labels]] = softmax(
            logits_1K[0], one.calibration.temperature
        )
    return round(jensen_shannon_bits(distributions_MK), DIGITS)


def _prediction(
    served: ServedVersion,
    probabilities_K: npt.NDArray[np.float64],
    score: float,
    filename: str | None,
    notes: tuple[str, ...],
    top_k: int,
) -> Prediction:
    calibration, labels = served.calibration, served.labels
    best = np.argsort(-probabilities_K, kind="stable")[:top_k]
    top = tuple(ClassProbability(label=labels[k], probability=round(float(probabilities_K[k]), DIGITS)) for k in best)
    return Prediction(
        filename=filename,
        model=served.family,
        version=served.version,
        precision=served.precision,
        label=top[0].label,
        probability=top[0].probability,
        top=top,
        prediction_set=tuple(labels[k] for k in prediction_set(probabilities_K, calibration.conformal_threshold)),
        coverage=calibration.coverage,
        out_of_distribution=OutOfDistribution(
            score=round(score, DIGITS),
            threshold=calibration.ood_threshold,
            flag=score > calibration.ood_threshold,
        ),
        notes=notes,
    )
