"""Test-time augmentation (TTA): calibration and scores for logits averaged over several views of an image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from core.images.tta_views import VIEW_WEIGHTS, averaged, views
from core.repository.manifest import AveragedViewsRecord
from core.statistics.calibration import log_loss, reliability, softmax
from core.statistics.intervals import ConfidenceInterval, wilson_interval
from training.data.preprocessing import one_hot
from training.data.split_dataset import Images
from training.evaluation.calibrate import calibrate
from training.export.run_onnx import predict_logits


def evaluate_tta(model: Path, images: Images, *, threads: int) -> AveragedViewsRecord:
    """Calibrate averaged logits on the holdout and score them on the test images.

    Args:
        model: graph file of one precision.
        images: the data set.
        threads: onnxruntime threads.
    """
    holdout, test = images.part("holdout"), images.dataset.test
    calibration = calibrate(predict_tta_logits(model, holdout.images_NHWC, threads=threads), holdout.labels_N)
    logits_NK = predict_tta_logits(model, test.images_NHWC, threads=threads)
    probabilities_NK = softmax(logits_NK, calibration.temperature)
    correct = int((logits_NK.argmax(axis=1) == test.labels_N).sum())
    low, high = wilson_interval(correct, len(test))
    return AveragedViewsRecord(
        views=len(VIEW_WEIGHTS),
        calibration=calibration,
        test_accuracy=ConfidenceInterval(value=correct / len(test), low=low, high=high),
        test_log_loss=log_loss(probabilities_NK, one_hot(test.labels_N, logits_NK.shape[1])),
        test_ece=reliability(probabilities_NK, test.labels_N).ece,
    )


def predict_tta_logits(model: Path, images_NHWC: npt.NDArray[np.uint8], *, threads: int) -> npt.NDArray[np.float32]:
    """Logits float32 [N, K] from the graph file `model`, averaged over the views of each image."""
    return averaged([predict_logits(model, view_NHWC, threads=threads) for view_NHWC in views(images_NHWC)])
