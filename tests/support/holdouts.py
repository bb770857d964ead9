"""Predictions on a holdout with known labels, for the tests of the promotion gate."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from core.gate.costs import Costs, Latency
from core.gate.holdout import Evidence
from core.gate.report import GateReport, Verdict
from core.records.base import ReportedData, ReportedModel
from core.records.corrupted_holdout import CORRUPTED_HOLDOUT_NAME, CorruptedCondition, CorruptedHoldout
from core.repository.manifest import FileRecord, Manifest
from core.repository.predictions import PREDICTIONS_NAME, SplitPredictions, save_predictions
from core.statistics.intervals import ConfidenceInterval
from tests.support.onnx_models import CLASSES as GRAYS
from tests.support.onnx_models import write_onnx_version
from tests.support.versions import make_manifest

Labels = npt.NDArray[np.int64]
Rights = npt.NDArray[np.bool_]

CLASSES = ("ant", "bee", "cow", "dog")
PER_CLASS = 500
LABELS_N: Labels = np.repeat(np.arange(len(CLASSES)), PER_CLASS)
IMAGES = len(LABELS_N)
GRAY_LABELS_N: Labels = np.repeat(np.arange(len(GRAYS)), 40)


def rights(*wrong_per_class: int, seed: int | None = None) -> Rights:
    """Return the mask of correct predictions; the wrong ones of a class are its first images or drawn by `seed`."""
    right_N = np.ones(IMAGES, bool)
    for k, wrong in enumerate(wrong_per_class):
        places = np.arange(PER_CLASS) if seed is None else np.random.default_rng(seed + k).permutation(PER_CLASS)
        right_N[k * PER_CLASS + places[:wrong]] = False
    return right_N


def split_of(right_N: Rights, *, confidence: float = 0.9, labels_N: Labels = LABELS_N) -> SplitPredictions:
    """Return predictions that are correct under the mask, each with the given confidence."""
    classes = int(labels_N.max()) + 1
    answers_N = np.where(right_N, labels_N, (labels_N + 1) % classes)
    probabilities_NK = np.full((len(labels_N), classes), (1 - confidence) / (classes - 1), np.float32)
    probabilities_NK[np.arange(len(labels_N)), answers_N] = confidence
    return SplitPredictions(np.arange(len(labels_N)), labels_N, {"fp32": probabilities_NK})


def evidence(
    version: int,
    right_N: Rights,
    *,
    confidence: float = 0.9,
    corrupted: tuple[Rights, Rights] | None = (np.ones(100, bool), np.zeros(100, bool)),
    **fields: Any,
) -> Evidence:
    """Return a version of cnn with these predictions; `corrupted`: masks of right and flagged images."""
    files = {"model.onnx": FileRecord(sha256="0" * 64, bytes=1000)}
    manifest = make_manifest("cnn", version, **({"class_names": CLASSES, "files": files} | fields))
    record = None if corrupted is None else corrupted_record(manifest, *corrupted)
    return Evidence(manifest, Path("nowhere"), split_of(right_N, confidence=confidence), record)


def corrupted_record(manifest: Manifest, right_N: Rights, flagged_N: Rights, **data: Any) -> CorruptedHoldout:
    """Return a record of two conditions with the same masks of right and flagged images."""
    images = {"name": "tiny", "digest": manifest.data.digest, "images": len(right_N), "seed": 1} | data
    return CorruptedHoldout(
        model=ReportedModel(family="cnn", version=manifest.version, architecture="cnn", weights="0" * 64),
        data=ReportedData(**images),
        split_digest=manifest.data.split_digest,
        seed=0,
        conditions=tuple(
            CorruptedCondition.of(name, severity, right_N, flagged_N)
            for name, severity in (("saturate", 2), ("spatter", 4))
        ),
    )


def verdict_of(report: GateReport, name: str) -> Verdict:
    """The verdict of this name."""
    return next(verdict for verdict in report.verdicts if verdict.name == name)


def costs(latency: float = 1.0, size: float = 1.0) -> Costs:
    """Return costs with these ratios."""
    ratio = ConfidenceInterval(value=latency, low=0.99 * latency, high=1.01 * latency)
    return Costs(Latency(ratio, 2.0 * latency, 2.0), round(1e6 * size), 1_000_000)


def predictions_file(folder: Path, right: Sequence[bool] | Rights, labels_N: Labels, **options: Any) -> bytes:
    """Return the content of a predictions.npz with these holdout predictions."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / PREDICTIONS_NAME
    save_predictions(path, {"holdout": split_of(np.asarray(right), labels_N=labels_N, **options)})
    content = path.read_bytes()
    path.unlink()
    return content


def write_judged_version(
    models: Path, version: int, *, wrong: int = 0, family: str = "cnn", **options: Any
) -> Manifest:
    """Write a runnable version with predictions of a holdout: 40 images of each of five grays.

    The first `wrong` images of each class are wrong, and the confidence equals the accuracy. All corrupted images are
    right.
    """
    folder = models / family / str(version)
    right_N = np.arange(len(GRAY_LABELS_N)) % 40 >= wrong
    content = predictions_file(folder, right_N, GRAY_LABELS_N, confidence=1 - wrong / 40)
    record = corrupted_record(make_manifest(family, version), np.ones(40, bool), np.zeros(40, bool))
    files = {PREDICTIONS_NAME: content, CORRUPTED_HOLDOUT_NAME: record.model_dump_json().encode()}
    return write_onnx_version(folder, family, version, **({"extra_files": files} | options))
