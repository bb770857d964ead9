"""Evaluation on corrupted holdout images, for the promotion gate."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from core.records.base import ReportedData, ReportedModel
from core.records.corrupted_holdout import CorruptedCondition, CorruptedHoldout
from core.repository.manifest import Calibration
from core.repository.onnx_session import open_session
from core.statistics.energy import energy
from training.corruptions.cifar10c import EXTRA_CORRUPTIONS, corrupted
from training.data.split_dataset import Images
from training.data.test_subset import SEED as SUBSET_SEED
from training.data.test_subset import stratified
from training.export.run_onnx import predict_logits_in

IMAGES = 2_500
SEVERITIES = (2, 4)
"""Two of five severities, on half of CIFAR-10's holdout: a network of 288 M multiply-accumulates takes 100 s on one
thread."""
SEED = 0


def measure_corrupted_holdout(
    graph: Path, model: ReportedModel, images: Images, calibration: Calibration, *, threads: int
) -> CorruptedHoldout:
    """Measure accuracy and out-of-distribution flag rate under `EXTRA_CORRUPTIONS`.

    Args:
        graph: model.onnx of the version.
        model: reference of the version, for the record.
        images: the data set; up to 2,500 holdout images are used, stratified by class.
        calibration: calibration of the graph with the `ood_threshold`.
        threads: onnxruntime threads.
    """
    holdout, dataset = images.part("holdout"), images.dataset
    chosen_N = stratified(holdout.labels_N, IMAGES)
    images_NHWC, labels_N = holdout.images_NHWC[chosen_N], holdout.labels_N[chosen_N]
    session = open_session(graph, threads=threads)
    conditions = []
    for name in EXTRA_CORRUPTIONS:
        for severity in SEVERITIES:
            logits_NK = predict_logits_in(session, corrupted(name, severity, images_NHWC, SEED))
            flagged_N = np.asarray(energy(logits_NK) > calibration.ood_threshold)
            conditions.append(CorruptedCondition.of(name, severity, logits_NK.argmax(axis=1) == labels_N, flagged_N))
    return CorruptedHoldout(
        model=model,
        data=ReportedData(
            name=dataset.name,
            digest=dataset.digest,
            images=len(chosen_N),
            seed=None if len(chosen_N) == len(holdout) else SUBSET_SEED,
        ),
        split_digest=images.split.digest,
        seed=SEED,
        conditions=tuple(conditions),
    )
