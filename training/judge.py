"""Calibrating and evaluating an exported model: thresholds from the holdout, figures from the test images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from core.evaluation import EvaluatedData, Evaluation, Scores
from core.manifest import Calibration, HeadlineMetrics, ParityRecord
from core.predictions import Split, SplitPredictions
from core.statistics.calibration import softmax
from training.answers import answer
from training.calibrate import calibrate
from training.images import Images
from training.networks import Classifier
from training.parity import check_parity
from training.scoring import score


@dataclass(frozen=True)
class Judgement:
    """What was fitted on the holdout and measured on the test images."""

    calibration: Calibration
    evaluation: Evaluation
    predictions: dict[Split, SplitPredictions]
    metrics: HeadlineMetrics
    parity: ParityRecord

    @property
    def scores(self) -> Scores:
        """The figures of the float32 graph."""
        return self.evaluation.scores["fp32"]


def judge(model: Path, classifier: Classifier, images: Images, *, validate: bool, threads: int) -> Judgement:
    """Calibrate and evaluate the exported graph at `model`.

    Args:
        model: path of model.onnx.
        classifier: the network it was made from, for the parity check.
        images: the holdout is used for thresholds, the test images only for figures.
        validate: also measure the accuracy on the validation images, which the network must not have seen.
        threads: of onnxruntime.

    Raises:
        ExportError: the graph does not agree with the network on the test images.
    """
    holdout, test = images.part("holdout"), images.dataset.test
    holdout_NK = answer(model, holdout.images_NHWC, threads=threads)
    calibration = calibrate(holdout_NK, holdout.labels_N)
    test_NK = answer(model, test.images_NHWC, threads=threads)
    scores = score(test_NK, test.labels_N, images.dataset.class_names, calibration)
    validation_accuracy = None
    if validate:
        validation = images.part("validation")
        validation_accuracy = _accuracy(answer(model, validation.images_NHWC, threads=threads), validation.labels_N)
    return Judgement(
        calibration=calibration,
        evaluation=Evaluation(
            data=evaluated_data(images), class_names=images.dataset.class_names, scores={"fp32": scores}
        ),
        predictions={
            "holdout": _predictions(images.split.holdout, holdout.labels_N, holdout_NK, calibration),
            "test": _predictions(np.arange(len(test)), test.labels_N, test_NK, calibration),
        },
        metrics=HeadlineMetrics(
            test_accuracy=scores.accuracy.value,
            test_macro_f1=scores.macro.f1.value,
            test_log_loss=scores.log_loss,
            test_ece=scores.reliability.ece,
            holdout_accuracy=_accuracy(holdout_NK, holdout.labels_N),
            validation_accuracy=validation_accuracy,
        ),
        parity=check_parity(classifier, test.images_NHWC, test_NK),
    )


def evaluated_data(images: Images) -> EvaluatedData:
    """The record of the test images that an evaluation carries."""
    dataset = images.dataset
    return EvaluatedData(name=dataset.name, split="test", digest=dataset.digest, images=len(dataset.test))


def _predictions(
    index_N: npt.NDArray[np.int64],
    labels_N: npt.NDArray[np.int64],
    logits_NK: npt.NDArray[np.float32],
    calibration: Calibration,
) -> SplitPredictions:
    probabilities_NK = softmax(logits_NK, calibration.temperature).astype(np.float32)
    return SplitPredictions(index_N, labels_N, {"fp32": probabilities_NK})


def _accuracy(logits_NK: npt.NDArray[np.float32], labels_N: npt.NDArray[np.int64]) -> float:
    return float((logits_NK.argmax(axis=1) == labels_N).mean())
