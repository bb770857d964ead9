"""Holdout predictions and manifest of a version, as the gate reads them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.errors import DataError
from core.gate.report import HoldoutRecord
from core.records.base import read_report
from core.records.corrupted_holdout import CORRUPTED_HOLDOUT_NAME, CorruptedHoldout
from core.records.lookup import REPORTS_NAME, find_report
from core.repository.manifest import Manifest
from core.repository.predictions import PREDICTIONS_NAME, SplitPredictions, load_predictions
from core.repository.repository import ModelRepository


@dataclass(frozen=True)
class Evidence:
    """Gate input for one version; the gate uses the fp32 predictions. `corrupted` is None if not measured."""

    manifest: Manifest
    folder: Path
    holdout: SplitPredictions
    corrupted: CorruptedHoldout | None = None

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
    return Evidence(manifest, folder, holdout, read_corrupted(repository, manifest))


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
