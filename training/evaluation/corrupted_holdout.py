"""Evaluation under the extra corruptions: holdout images for the promotion gate, validation images for studies."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from core.records.base import ReportedData, ReportedModel
from core.records.corrupted_holdout import CorruptedCondition, CorruptedHoldout
from core.repository.graph_records import Calibration
from core.repository.onnx_session import open_session
from core.statistics.energy import energy
from training.corruptions.cifar10c import EXTRA_CORRUPTIONS, corrupted
from training.data.split_dataset import Images
from training.data.test_subset import SEED as SUBSET_SEED
from training.data.test_subset import stratified
from training.data.types import LabelledImages
from training.export.run_onnx import predict_logits_in

IMAGES = 2_500
SEVERITIES = (2, 4)
"""Two of five severities, on half of CIFAR-10's holdout: a network of 288 M multiply-accumulates takes 100 s on one
thread."""
SEED = 0
Predict = Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]]


def corrupted_conditions(
    predict: Predict, part: LabelledImages, *, ood_threshold: float
) -> tuple[CorruptedCondition, ...]:
    """Measure accuracy and out-of-distribution flag rate under `EXTRA_CORRUPTIONS`.

    Args:
        predict: images uint8 [N, H, W, 3] -> logits float32 [N, K].
        part: part of the data set; up to 2,500 of its images are used, stratified by class.
        ood_threshold: energy above which an image is flagged.
    """
    chosen_N = stratified(part.labels_N, IMAGES)
    images_NHWC, labels_N = part.images_NHWC[chosen_N], part.labels_N[chosen_N]
    conditions = []
    for name in EXTRA_CORRUPTIONS:
        for severity in SEVERITIES:
            logits_NK = predict(corrupted(name, severity, images_NHWC, SEED))
            flagged_N = np.asarray(energy(logits_NK) > ood_threshold)
            conditions.append(CorruptedCondition.of(name, severity, logits_NK.argmax(axis=1) == labels_N, flagged_N))
    return tuple(conditions)


def measure_corrupted_holdout(
    graph: Path, model: ReportedModel, images: Images, calibration: Calibration, *, threads: int
) -> CorruptedHoldout:
    """Measure a version on the holdout for the promotion gate.

    Args:
        graph: model.onnx of the version.
        model: reference of the version, for the record.
        images: the data set.
        calibration: calibration of the graph with the `ood_threshold`.
        threads: onnxruntime threads.
    """
    holdout, dataset = images.part("holdout"), images.dataset
    predict = partial(predict_logits_in, open_session(graph, threads=threads))
    used = min(IMAGES, len(holdout))
    return CorruptedHoldout(
        model=model,
        data=ReportedData(
            name=dataset.name,
            digest=dataset.digest,
            images=used,
            seed=None if used == len(holdout) else SUBSET_SEED,
        ),
        split_digest=images.split.digest,
        seed=SEED,
        conditions=corrupted_conditions(predict, holdout, ood_threshold=calibration.ood_threshold),
    )
