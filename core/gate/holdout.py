"""Holdout predictions and manifest of a version, as the gate reads them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from core.errors import DataError
from core.gate.report import HoldoutRecord
from core.records.base import read_report
from core.records.corrupted_holdout import CORRUPTED_HOLDOUT_NAME, CorruptedHoldout
from core.records.lookup import REPORTS_NAME, find_report
from core.repository.image_keys import (
    CHAMPION_PREDICTIONS_NAME,
    IMAGE_KEYS_NAME,
    HoldoutPredictions,
    ImageKeys,
    load_champion_predictions,
    load_image_keys,
)
from core.repository.manifest import Manifest
from core.repository.predictions import PREDICTIONS_NAME, SplitPredictions, load_predictions
from core.repository.repository import ModelRepository


@dataclass(frozen=True)
class Evidence:
    """Gate input for one version; the gate uses the fp32 predictions.

    Attributes:
        manifest: manifest of the version.
        folder: folder of the version.
        holdout: predictions of its holdout images.
        corrupted: results on corrupted holdout images; None if not measured.
        keys: content keys of its images; None in older versions, and for data sets that never change.
        champions: predictions of its holdout images by earlier champions, by reference.
    """

    manifest: Manifest
    folder: Path
    holdout: SplitPredictions
    corrupted: CorruptedHoldout | None = None
    keys: ImageKeys | None = None
    champions: Mapping[str, HoldoutPredictions] = field(default_factory=dict)

    @property
    def record(self) -> HoldoutRecord:
        """Description and digest of the holdout images."""
        data, holdout = self.manifest.data, self.holdout
        digest = hashlib.sha256(f"{data.digest} {data.split_digest} ".encode())
        for array in (holdout.index, holdout.labels):
            digest.update(np.ascontiguousarray(array, dtype="<i8").tobytes())
        return HoldoutRecord(
            name=data.name,
            images=len(holdout.labels),
            class_names=self.manifest.class_names,
            digest=digest.hexdigest(),
        )


def read_evidence(repository: ModelRepository, manifest: Manifest) -> Evidence:
    """Read the gate input of a version whose files have been verified.

    Raises:
        UnknownFamilyError, UnknownVersionError: the version does not exist any more.
        DataError: it has no usable holdout predictions, or its record of corrupted images is damaged.
    """
    folder = repository.folder(manifest.family, manifest.version)
    if PREDICTIONS_NAME not in manifest.files:
        raise DataError(f"{manifest.reference} has no {PREDICTIONS_NAME}: publish it again with `duet export`")
    try:
        holdout = load_predictions(folder, "holdout")
    except DataError as error:
        raise DataError(f"{manifest.reference}: {error}") from error
    probabilities_NK = holdout.probabilities.get("fp32")
    expected = (len(holdout.labels), len(manifest.class_names))
    if probabilities_NK is None or probabilities_NK.shape != expected or not expected[0]:
        found = "none" if probabilities_NK is None else str(probabilities_NK.shape)
        raise DataError(f"{manifest.reference}: {PREDICTIONS_NAME}: probabilities {found} instead of {expected}")
    files = manifest.files
    try:
        keys = load_image_keys(folder) if IMAGE_KEYS_NAME in files else None
        champions = load_champion_predictions(folder) if CHAMPION_PREDICTIONS_NAME in files else {}
    except DataError as error:
        raise DataError(f"{manifest.reference}: {error}") from error
    if keys is not None and len(keys.holdout) != expected[0]:
        raise DataError(f"{manifest.reference}: {IMAGE_KEYS_NAME} has {len(keys.holdout)} images, not {expected[0]}")
    return Evidence(manifest, folder, holdout, read_corrupted(repository, manifest), keys, champions)


def read_corrupted(repository: ModelRepository, manifest: Manifest) -> CorruptedHoldout | None:
    """Read the results on corrupted holdout images, published or measured later; None without either.

    Raises:
        DataError: the record cannot be read.
    """
    if CORRUPTED_HOLDOUT_NAME in manifest.files:
        folder = repository.folder(manifest.family, manifest.version)
        return read_report(folder / CORRUPTED_HOLDOUT_NAME, CorruptedHoldout)
    layers = (repository.home_models.with_name(REPORTS_NAME), repository.shipped / REPORTS_NAME)
    found = find_report(CorruptedHoldout, [manifest], layers)
    return None if found is None else found.record
