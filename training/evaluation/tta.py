"""Judging a version where its answers to several views of an image are averaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from core.images.tta_views import VIEW_WEIGHTS, averaged, views
from core.repository.confidence_interval import ConfidenceInterval
from core.repository.manifest import AveragedViewsRecord
from core.statistics.calibration import log_loss, reliability, softmax
from core.statistics.intervals import wilson_interval
from training.data.preprocessing import one_hot
from training.data.split_dataset import Images
from training.evaluation.calibrate import calibrate
from training.export.run_onnx import predict_logits


def judge_averaged_views(model: Path, images: Images, *, threads: int) -> AveragedViewsRecord:
    """Fit thresholds for averaged logits on the holdout and measure them on the test images.

    Args:
        model: the graph of one precision.
        images: holdout and test images are used.
        threads: of onnxruntime.
    """
    holdout, test = images.part("holdout"), images.dataset.test
    calibration = calibrate(answer_averaged(model, holdout.images_NHWC, threads=threads), holdout.labels_N)
    logits_NK = answer_averaged(model, test.images_NHWC, threads=threads)
    probabilities_NK = softmax(logits_NK, calibration.temperature)
    right = int((logits_NK.argmax(axis=1) == test.labels_N).sum())
    low, high = wilson_interval(right, len(test))
    return AveragedViewsRecord(
        views=len(VIEW_WEIGHTS),
        calibration=calibration,
        test_accuracy=ConfidenceInterval(value=right / len(test), low=low, high=high),
        test_log_loss=log_loss(probabilities_NK, one_hot(test.labels_N, logits_NK.shape[1])),
        test_ece=reliability(probabilities_NK, test.labels_N).ece,
    )


def answer_averaged(model: Path, images_NHWC: npt.NDArray[np.uint8], *, threads: int) -> npt.NDArray[np.float32]:
    """Logits float32 [N, K] from the graph at `model`, each image's the mean over its views."""
    return averaged([predict_logits(model, view_NHWC, threads=threads) for view_NHWC in views(images_NHWC)])
