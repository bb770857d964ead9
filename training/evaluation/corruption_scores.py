"""Accuracy, confidence, calibration and flag rate of a model on corrupted images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.statistics.calibration import expected_calibration_error, softmax
from core.statistics.energy import energy
from training.corruptions.cifar10c import EXTRA_CORRUPTIONS, SEVERITIES, corrupted

Pixels = npt.NDArray[np.uint8]
Logits = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ConditionScores:
    """Figures of one kind of corruption at one severity, each in [0, 1].

    Attributes:
        name: a key of `CORRUPTIONS` or `EXTRA_CORRUPTIONS`.
        severity: 1 to 5.
        accuracy: share of images that are answered right.
        mean_confidence: mean probability of the answer.
        ece: expected calibration error.
        flag_rate: share of images whose energy is above the threshold.
    """

    name: str
    severity: int
    accuracy: float
    mean_confidence: float
    ece: float
    flag_rate: float


def score_logits(
    name: str,
    severity: int,
    logits_NK: Logits,
    labels_N: npt.NDArray[np.int64],
    *,
    temperature: float,
    ood_threshold: float,
) -> ConditionScores:
    """Figures of the logits of one condition.

    Args:
        name: of the condition.
        severity: of the condition.
        logits_NK: float [N, K].
        labels_N: true classes.
        temperature: that the logits are divided by for probabilities; the energy is of the logits themselves.
        ood_threshold: energy above which an image is flagged, see `core.statistics.energy.energy_threshold`.
    """
    probabilities_NK = softmax(logits_NK, temperature)
    return ConditionScores(
        name=name,
        severity=severity,
        accuracy=float((logits_NK.argmax(axis=1) == labels_N).mean()),
        mean_confidence=float(probabilities_NK.max(axis=1).mean()),
        ece=expected_calibration_error(probabilities_NK, labels_N),
        flag_rate=float((energy(logits_NK) > ood_threshold).mean()),
    )


def score_extra_corruptions(
    predict: Callable[[Pixels], Logits],
    images_NHWC: Pixels,
    labels_N: npt.NDArray[np.int64],
    *,
    temperature: float,
    ood_threshold: float,
    severities: Sequence[int] = SEVERITIES,
    seed: int = 0,
) -> Iterator[ConditionScores]:
    """Figures under each kind of `EXTRA_CORRUPTIONS` at each severity, kind by kind.

    For choosing settings: the images are validation images, or holdout images at the gate, never test images.

    Args:
        predict: logits float32 [N, K] of images uint8 [N, H, W, 3].
        images_NHWC: uint8 [N, H, W, 3].
        labels_N: true classes.
        temperature: see `score_logits`.
        ood_threshold: see `score_logits`.
        severities: from 1 to 5.
        seed: of the corruptions.
    """
    for name in EXTRA_CORRUPTIONS:
        for severity in severities:
            logits_NK = predict(corrupted(name, severity, images_NHWC, seed))
            yield score_logits(
                name, severity, logits_NK, labels_N, temperature=temperature, ood_threshold=ood_threshold
            )
