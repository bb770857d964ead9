"""Calibration and evaluation of exported models: thresholds from the holdout, scores from the test images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from core.images.tta_views import VIEW_WEIGHTS, averaged, views
from core.repository.evaluation import EvaluatedData, Evaluation, Scores, StrangeKind
from core.repository.graph_records import AveragedViewsRecord, Bf16Record, Calibration, ParityRecord, QuantizationRecord
from core.repository.manifest import HeadlineMetrics, Precision
from core.repository.predictions import Split, SplitPredictions
from core.statistics.calibration import log_loss, reliability, softmax
from training.data.preprocessing import one_hot
from training.data.split_dataset import Images
from training.data.types import LabelledImages
from training.evaluation.bf16 import accept_bf16, bf16_logits, bf16_provider
from training.evaluation.calibrate import calibrate
from training.evaluation.ood import ood_images, score_ood
from training.evaluation.scores import proportion, score
from training.export.quantize import accept_int8, calibration_images, quantize
from training.export.run_onnx import predict_logits

Logits = npt.NDArray[np.float32]
Parity = Callable[[npt.NDArray[np.uint8], Logits], ParityRecord]
"""Compares logits float32 [N, K] of a graph for images uint8 [N, H, W, 3] with its source; raises ExportError."""


@dataclass(frozen=True)
class EvaluationResult:
    """Calibration on the holdout and scores on the test images, for every published precision."""

    calibration: dict[Precision, Calibration]
    averaged_views: dict[Precision, AveragedViewsRecord]
    quantization: QuantizationRecord | None
    bf16: Bf16Record | None
    evaluation: Evaluation
    predictions: dict[Split, SplitPredictions]
    metrics: HeadlineMetrics
    parity: ParityRecord

    @property
    def scores(self) -> Scores:
        """Scores of the float32 graph."""
        return self.evaluation.scores["fp32"]


def evaluate(
    model: Path, parity: Parity, images: Images, *, validate: bool, threads: int, int8: bool = True
) -> EvaluationResult:
    """Calibrate and evaluate a graph and its variants in int8 and bf16.

    The holdout is used for calibration and the acceptance of int8 and bf16, the test images for scores only. bf16 is
    evaluated if this machine can run it.

    Args:
        model: the fp32 graph.
        parity: compares the logits of the graph on the test images with those of its source.
        images: the data set with its split.
        validate: measure the accuracy on the validation images too; the network must not be trained on them.
        threads: number of onnxruntime threads.
        int8: write model.int8.onnx to the folder of `model`; it is deleted if it is not accepted.

    Raises:
        ExportError: the graph disagrees with its source on the test images.
    """
    holdout, test, names = images.part("holdout"), images.dataset.test, images.dataset.class_names
    sample_NHWC = calibration_images(images)
    graphs: dict[Precision, Path] = {"fp32": model}
    if int8:
        graphs["int8"] = quantize(model, sample_NHWC)
    holdout_logits = {name: predict_logits(path, holdout.images_NHWC, threads=threads) for name, path in graphs.items()}
    quantization = accept_int8(graphs, holdout_logits, holdout.labels_N, sample_NHWC) if int8 else None
    if quantization is not None and not quantization.published:
        graphs.pop("int8").unlink()

    calibration = {name: calibrate(holdout_logits[name], holdout.labels_N) for name in graphs}
    bf16, provider = None, bf16_provider()
    if provider is not None:
        holdout_logits["bf16"] = bf16_logits(model, holdout.images_NHWC, provider, threads=threads)
        bf16 = accept_bf16(
            holdout_logits["bf16"], holdout_logits["fp32"], holdout.labels_N, calibration["fp32"], provider
        )
    test_logits = {name: predict_logits(path, test.images_NHWC, threads=threads) for name, path in graphs.items()}
    ood = ood_images(test.images_NHWC)
    scores = {
        name: score_graph(
            path, test_logits[name], images, ood, calibration[name], calibration_images=len(holdout), threads=threads
        )
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
        bf16=bf16,
        evaluation=Evaluation(data=evaluated_data(images), class_names=names, scores=scores),
        predictions={
            "holdout": _predictions(
                images.split.holdout,
                holdout.labels_N,
                holdout_logits,
                calibration if bf16 is None else {**calibration, "bf16": calibration["fp32"]},
            ),
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
        parity=parity(test.images_NHWC, test_logits["fp32"]),
    )


def score_graph(
    graph: Path,
    logits_NK: Logits,
    images: Images,
    ood: Mapping[StrangeKind, npt.NDArray[np.uint8]],
    calibration: Calibration,
    *,
    calibration_images: int,
    threads: int,
) -> Scores:
    """Scores of a graph with the logits float32 [N, K] on the test images, including out-of-distribution detection.

    `ood` is the result of `ood_images`. The calibration was fitted on `calibration_images` holdout images.
    """
    dataset = images.dataset
    scores = score(
        logits_NK, dataset.test.labels_N, dataset.class_names, calibration, calibration_images=calibration_images
    )
    return scores.model_copy(update={"strange": score_ood(graph, logits_NK, ood, calibration, threads=threads)})


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


def evaluate_tta(model: Path, images: Images, *, threads: int) -> AveragedViewsRecord:
    """Calibrate averaged logits on the holdout and score them on the test images.

    Logits are averaged over the views of each image (test-time augmentation).
    """

    def predict(part: LabelledImages) -> Logits:
        return averaged([predict_logits(model, view_NHWC, threads=threads) for view_NHWC in views(part.images_NHWC)])

    holdout, test = images.part("holdout"), images.dataset.test
    calibration = calibrate(predict(holdout), holdout.labels_N)
    logits_NK = predict(test)
    probabilities_NK = softmax(logits_NK, calibration.temperature)
    return AveragedViewsRecord(
        views=len(VIEW_WEIGHTS),
        calibration=calibration,
        test_accuracy=proportion(int((logits_NK.argmax(axis=1) == test.labels_N).sum()), len(test)),
        test_log_loss=log_loss(probabilities_NK, one_hot(test.labels_N, logits_NK.shape[1])),
        test_ece=reliability(probabilities_NK, test.labels_N).ece,
    )
