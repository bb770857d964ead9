"""Holdout references: rates and means of a version's holdout answers, with which live answers are compared."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np

from core.errors import DuetError
from core.repository.manifest import Manifest
from core.repository.predictions import load_predictions
from core.repository.repository import ModelRepository
from core.schemas.live import DriftTest
from core.sequential.drift import RateReference
from service.live.rows import DECIMALS, ModelKey

log = logging.getLogger("duet.live")
CONFIDENCE_LIMITS = (0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99)
"""The confidence is watched by the share of images below each of these limits."""


@dataclass(frozen=True)
class HoldoutReference:
    """Answers of a version to its holdout.

    Attributes:
        labels: class names.
        nominal_miss_rate: rate at which the prediction sets may miss the true class.
        flag_share: share of the holdout that is flagged as out of distribution.
        rates: references of the drift tests; without stored predictions, energy alone.
        mean_confidence, mean_set_size: None without stored predictions.
    """

    labels: tuple[str, ...]
    nominal_miss_rate: float
    flag_share: float
    rates: dict[DriftTest, RateReference]
    mean_confidence: float | None = None
    mean_set_size: float | None = None


def read_reference(repository: ModelRepository, key: ModelKey) -> HoldoutReference | None:
    """Read the reference of a version; None if the version cannot be read, for example because it was deleted."""
    try:
        manifest = repository.manifest(key.family, key.version)
        return _with_predictions(repository, manifest, key)
    except (DuetError, OSError) as error:
        log.warning("no holdout to compare live traffic of %s with: %s", key, error)
        return None


def _with_predictions(repository: ModelRepository, manifest: Manifest, key: ModelKey) -> HoldoutReference | None:
    # bf16 runs the fp32 graph with its thresholds, and may not have been run on the holdout.
    stand_in = "fp32" if key.precision == "bf16" else key.precision
    calibration = manifest.calibration.get(key.precision) or manifest.calibration.get(stand_in)
    if calibration is None:
        return None
    images = manifest.data.counts.get("holdout", 0)
    rates: dict[DriftTest, RateReference] = {}
    if images:
        flagged = round(calibration.ood_flag_rate * images)
        rates["energy"] = RateReference(names=("flagged as out of distribution",), counts=(flagged,), images=images)
    reference = HoldoutReference(
        labels=manifest.class_names,
        nominal_miss_rate=1 - calibration.coverage,
        flag_share=calibration.ood_flag_rate,
        rates=rates,
    )
    try:
        stored = load_predictions(repository.folder(key.family, key.version), "holdout").probabilities
    except DuetError:
        return reference
    probabilities_NK = stored.get(key.precision, stored.get(stand_in))
    if probabilities_NK is None or not len(probabilities_NK):
        return reference
    confidence_N = np.round(probabilities_NK.max(axis=1).astype(np.float64), DECIMALS)
    classes_K = np.bincount(probabilities_NK.argmax(axis=1), minlength=len(manifest.class_names))
    sets_N = np.maximum(1, (probabilities_NK >= calibration.conformal_threshold).sum(axis=1))
    below_J = [int((confidence_N < limit).sum()) for limit in CONFIDENCE_LIMITS]
    names = tuple(f"confidence below {limit}" for limit in CONFIDENCE_LIMITS)
    return HoldoutReference(
        labels=reference.labels,
        nominal_miss_rate=reference.nominal_miss_rate,
        flag_share=reference.flag_share,
        rates={
            "class_mix": RateReference(
                names=manifest.class_names, counts=tuple(classes_K.tolist()), images=len(probabilities_NK)
            ),
            "confidence": RateReference(names=names, counts=tuple(below_J), images=len(probabilities_NK)),
            **rates,
        },
        mean_confidence=float(confidence_N.mean()),
        mean_set_size=float(sets_N.mean()),
    )
