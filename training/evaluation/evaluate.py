"""Calibration and evaluation of exported models: thresholds from the holdout, scores from the test images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from core.repository.evaluation import EvaluatedData, Evaluation, Scores
from core.repository.manifest import (
    AveragedViewsRecord,
    Calibration,
    HeadlineMetrics,
    ParityRecord,
    Precision,
    QuantizationRecord,
)
from core.repository.predictions import Split, SplitPredictions
from core.statistics.calibration import softmax
from training.data.split_dataset import Images
from training.evaluation.calibrate import calibrate
from training.evaluation.ood import ood_images, score_ood
from training.evaluation.scores import score
from training.evaluation.tta import evaluate_tta
from training.export.int8_acceptance import accept_int8
from training.export.parity import check_parity
from training.export.quantize import calibration_images, quantize
from training.export.run_onnx import predict_logits
from training.networks import Classifier

Logits = npt.NDArray[np.float32]


@dataclass(frozen=True)
class EvaluationResult:
    """Calibration on the holdout and scores on the test images, for every published precision."""

    calibration: dict[Precision, Calibration]
    averaged_views: dict[Precision, AveragedViewsRecord]
    quantization: QuantizationRecord
    evaluation: Evaluation
    predictions: dict[Split, SplitPredictions]
    metrics: HeadlineMetrics
    parity: ParityRecord

    @property
    def scores(self) -> Scores:
        """Scores of the float32 graph."""
        return self.evaluation.scores["fp32"]


def evaluate(model: Path, classifier: Classifier, images: Images, *, validate: bool, threads: int) -> EvaluationResult:
    """Calibrate and evaluate the exported graph `model` and its int8 variant.

    Args:
        model: path of model.onnx. model.int8.onnx is written to the same folder, and deleted if it is not accepted.
        classifier: the exported network, for the parity check.
        images: the data set. The holdout is used for calibration and int8 acceptance, the test images for scores only.
        validate: also measure the accuracy on the validation images; the network must not be trained on them.
        threads: onnxruntime threads.

    Raises:
        ExportError: the graph disagrees with the network on the test images.
    """
    holdout, test, names = images.part("holdout"), images.dataset.test, images.dataset.class_names
    sample_NHWC = calibration_images(images)
    graphs: dict[Precision, Path] = {"fp32": model, "int8": quantize(model, sample_NHWC)}
    holdout_logits = {name: predict_logits(path, holdout.images_NHWC, threads=threads) for name, path in graphs.items()}
    quantization = accept_int8(graphs, holdout_logits, holdout.labels_N, sample_NHWC)
    if not quantization.published:
        graphs.pop("int8").unlink()

    calibration = {name: calibrate(holdout_logits[name], holdout.labels_N) for name in graphs}
    test_logits = {name: predict_logits(path, test.images_NHWC, threads=threads) for name, path in graphs.items()}
    ood = ood_images(test.images_NHWC)
    scores = {
        name: score(
            test_logits[name], test.labels_N, names, calibration[name], calibration_images=len(holdout)
        ).model_copy(update={"strange": score_ood(path, test_logits[name], ood, calibration[name], threads=threads)})
        for name, path in graphs.items()
    }
    validation_accuracy = None
    if validate:
        validation = images.part("validation")
        validation_accuracy = _accuracy(
            predict_logits(model, validation.images_NHWC, threads=threads), validation.labels_N
        )
    return EvaluationResult(
        calibration=calibration,
        averaged_views={name: evaluate_tta(path, images, threads=threads) for name, path in graphs.items()},
        quantization=quantization,
        evaluation=Evaluation(data=evaluated_data(images), class_names=names, scores=scores),
        predictions={
            "holdout": _predictions(images.split.holdout, holdout.labels_N, holdout_logits, calibration),
            "test": _predictions(np.arange(len(test)), test.labels_N, test_logits, calibration),
        },
        metrics=HeadlineMetrics(
            test_accuracy=scores["fp32"].accuracy.value,
            test_macro_f1=scores["fp32"].macro.f1.value,
            test_log_loss=scores["fp32"].log_loss,
            test_ece=scores["fp32"].reliability.ece,
            holdout_accuracy=_accuracy(holdout_logits["fp32"], holdout.labels_N),
            validation_accuracy=validation_accuracy,
        ),
        parity=check_parity(classifier, test.images_NHWC, test_logits["fp32"]),
    )


def evaluated_data(images: Images) -> EvaluatedData:
    """Data record of the test images for an evaluation."""
    dataset = images.dataset
    return EvaluatedData(name=dataset.name, split="test", digest=dataset.digest, images=len(dataset.test))


def _predictions(
    index_N: npt.NDArray[np.int64],
    labels_N: npt.NDArray[np.int64],
    logits: Mapping[Precision, Logits],
    calibration: Mapping[Precision, Calibration],
) -> SplitPredictions:
    probabilities = {
        name: softmax(logits[name], thresholds.temperature).astype(np.float32)
        for name, thresholds in calibration.items()
    }
    return SplitPredictions(index_N, labels_N, probabilities)


def _accuracy(logits_NK: Logits, labels_N: npt.NDArray[np.int64]) -> float:
    return float((logits_NK.argmax(axis=1) == labels_N).mean())
