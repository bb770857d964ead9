"""Accuracy of a version on unchanged training images, for comparison with its accuracy on the holdout and in training.

The accuracy that training reports is a running mean over augmented images, and mixup makes them harder to classify. It
can be lower than the accuracy on test images, and does not measure overfitting.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from core.records.base import ReportedData, ReportedModel
from core.records.training_fit import TrainingFit
from core.repository.manifest import GRAPHS, Manifest
from core.statistics.intervals import proportion
from training.data.split_dataset import Images
from training.data.test_subset import SEED, stratified
from training.evaluation.reproduce import require_same_classes
from training.export.run_onnx import predict_logits

IMAGES, QUICK_IMAGES = 10_000, 100


def measure_training_fit(
    manifest: Manifest, folder: Path, images: Images, *, threads: int, quick: bool = False
) -> TrainingFit:
    """Measure the accuracy on up to 10,000 images of the parts that the version was trained on, stratified by class.

    Args:
        manifest: manifest of the version.
        folder: folder of the version.
        images: the data set, with the split of the training.
        threads: number of onnxruntime threads.
        quick: use 100 images.

    Raises:
        DataError: the data set has other classes or another image size than the version.
    """
    require_same_classes(manifest, images)
    part = images.part(*manifest.data.trained_on)
    chosen = stratified(part.labels_N, QUICK_IMAGES if quick else IMAGES)
    logits_NK = predict_logits(folder / GRAPHS["fp32"], part.images_NHWC[chosen], threads=threads)
    right = int(np.count_nonzero(logits_NK.argmax(axis=1) == part.labels_N[chosen]))
    return TrainingFit(
        model=ReportedModel.of(manifest),
        data=ReportedData(
            name=images.dataset.name,
            digest=images.dataset.digest,
            images=len(chosen),
            seed=None if len(chosen) == len(part) else SEED,
        ),
        accuracy=proportion(right, len(chosen)),
    )
