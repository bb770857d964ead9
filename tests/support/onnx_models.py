"""Tiny ONNX versions with known predictions.

The model predicts the class nearest to an image's brightness: of K classes, class k has the brightness
255 * k / (K - 1). Different grays have different logits. The int8 variant has coarser weights, so that its logits
identify it.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from core.repository.evaluation import (
    EVALUATION_NAME,
    AveragedScores,
    ClassScores,
    EvaluatedData,
    Evaluation,
    PredictionSets,
    Reliability,
    ReliabilityBin,
    Scores,
)
from core.repository.graph_records import Calibration
from core.repository.manifest import GRAPHS, Geometry, InputSpec, Manifest, Precision
from core.repository.predictions import PREDICTIONS_NAME, SplitPredictions, save_predictions
from core.statistics.intervals import ConfidenceInterval
from tests.support.versions import write_version

CLASSES = ("black", "dark", "grey", "light", "white")
SIZE = 8
SHARPNESS = 40.0
WEIGHTS_NAME = "weights.safetensors"
CALIBRATIONS: dict[Precision, Calibration] = {
    "fp32": Calibration(
        temperature=1.25, coverage=0.9, conformal_threshold=0.2, ood_threshold=-1.0, ood_flag_rate=0.05
    ),
    "int8": Calibration(temperature=2.5, coverage=0.8, conformal_threshold=0.1, ood_threshold=-2.0, ood_flag_rate=0.05),
}
_INT8_STEPS = 10  # few enough for the logits to differ visibly from those of float32
Labels = npt.NDArray[np.int64]


def write_onnx_version(
    folder: Path,
    family: str = "cnn",
    version: int = 1,
    *,
    classes: Sequence[str] = CLASSES,
    size: int = SIZE,
    geometry: Geometry = "stretch",
    inverted: bool = False,
    int8: bool = False,
    test_answers: Sequence[int] = (0, 1, 2, 3, 4, 4),
    test_labels: Sequence[int] = (0, 1, 2, 3, 4, 3),
    data_digest: str = "d" * 64,
    extra_files: Mapping[str, bytes] = MappingProxyType({}),
    **manifest_fields: Any,
) -> Manifest:
    """Write a complete, runnable, evaluated version to `folder`; an `inverted` one predicts white for black."""
    labels_N, answers_N = np.array(test_labels), np.array(test_answers)
    precisions: tuple[Precision, ...] = ("fp32", "int8") if int8 else ("fp32",)
    manifest_fields.setdefault("calibration", {precision: CALIBRATIONS[precision] for precision in precisions})
    return write_version(
        folder,
        family,
        version,
        extra_files={
            **_graph_files(len(classes), size, inverted),
            **({GRAPHS["int8"]: _int8_graph(len(classes), size, inverted)} if int8 else {}),
            EVALUATION_NAME: _evaluation(classes, labels_N, answers_N, data_digest).to_json().encode(),
            PREDICTIONS_NAME: _predictions(labels_N, answers_N, len(classes)),
            **extra_files,
        },
        class_names=tuple(classes),
        input=InputSpec(height=size, width=size, geometry=geometry, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25)),
        **manifest_fields,
    )


def gray_png(brightness: int, size: int = SIZE) -> bytes:
    """Return a PNG image of one gray."""
    stream = io.BytesIO()
    Image.new("RGB", (size, size), (brightness,) * 3).save(stream, "PNG")
    return stream.getvalue()


def brightness_of(label: str, classes: Sequence[str] = CLASSES) -> int:
    """Return the gray that the model assigns to this class."""
    return round(255 * classes.index(label) / (len(classes) - 1))


def expected_logits(brightness: int, precision: Precision = "fp32") -> npt.NDArray[np.float64]:
    """Return the logits of a non-inverted version for an image of this gray, float64 [K]."""
    centers_K = np.linspace(0, 1, len(CLASSES))
    slopes_K = centers_K if precision == "fp32" else np.round(centers_K * _INT8_STEPS) / _INT8_STEPS
    return np.asarray(SHARPNESS * (2 * slopes_K * brightness / 255 - centers_K**2), np.float64)


def _graph_files(classes: int, size: int, inverted: bool) -> dict[str, bytes]:
    # -(brightness - center)^2 without its term that is equal for all classes is linear in the brightness.
    centers_K = _centers(classes, inverted)
    pixels = size * size * 3
    weights_PK = np.tile(SHARPNESS * 2 * centers_K / (255 * pixels), (pixels, 1)).astype(np.float32)
    model = _brightness_model(size, centers_K, [numpy_helper.from_array(weights_PK, "weights")], [])
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "model.onnx"
        onnx.save_model(model, path, save_as_external_data=True, location=WEIGHTS_NAME, size_threshold=0)
        return {name: (Path(scratch) / name).read_bytes() for name in ("model.onnx", WEIGHTS_NAME)}


def _int8_graph(classes: int, size: int, inverted: bool) -> bytes:
    centers_K = _centers(classes, inverted)
    pixels = size * size * 3
    steps_PK = np.tile(np.round(centers_K * _INT8_STEPS), (pixels, 1)).astype(np.int8)
    scale = np.array(SHARPNESS * 2 / (255 * pixels * _INT8_STEPS), np.float32)
    constants = [numpy_helper.from_array(steps_PK, "steps"), numpy_helper.from_array(scale, "scale")]
    dequantize = helper.make_node("DequantizeLinear", ["steps", "scale"], ["weights"])
    return bytes(_brightness_model(size, centers_K, constants, [dequantize]).SerializeToString())


def _centers(classes: int, inverted: bool) -> npt.NDArray[np.float32]:
    return np.linspace(0, 1, classes, dtype=np.float32)[:: -1 if inverted else 1]


def _brightness_model(
    size: int, centers_K: npt.NDArray[np.float32], constants: list[TensorProto], before: list[onnx.NodeProto]
) -> onnx.ModelProto:
    """images -> logits; `constants` and the nodes `before` give `weights` [P, K]."""
    classes = len(centers_K)
    graph = helper.make_graph(
        [
            *before,
            helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
            helper.make_node("Flatten", ["floats"], ["flat"], axis=1),
            helper.make_node("MatMul", ["flat", "weights"], ["products"]),
            helper.make_node("Add", ["products", "bias"], ["logits"]),
        ],
        "brightness",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", size, size, 3])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", classes])],
        [*constants, numpy_helper.from_array((-SHARPNESS * centers_K**2).astype(np.float32), "bias")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def _predictions(labels_N: Labels, answers_N: Labels, classes: int) -> bytes:
    probabilities_NK = np.full((len(labels_N), classes), 0.1 / (classes - 1), np.float32)
    probabilities_NK[np.arange(len(labels_N)), answers_N] = 0.9
    split = SplitPredictions(np.arange(len(labels_N)), labels_N, {"fp32": probabilities_NK})
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / PREDICTIONS_NAME
        save_predictions(path, {"test": split})
        return path.read_bytes()


def _evaluation(classes: Sequence[str], labels_N: Labels, answers_N: Labels, data_digest: str) -> Evaluation:
    """Correct accuracy, support and confusion matrix; all other figures are invented."""
    matrix = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(matrix, (labels_N, answers_N), 1)
    accuracy = float(np.mean(labels_N == answers_N))
    made_up = ConfidenceInterval(value=0.5, low=0.4, high=0.6)
    averaged = AveragedScores(precision=made_up, recall=made_up, f1=made_up)
    scores = Scores(
        accuracy=ConfidenceInterval(value=accuracy, low=max(0.0, accuracy - 0.1), high=min(1.0, accuracy + 0.1)),
        top2_accuracy=made_up,
        macro=averaged,
        weighted=averaged,
        per_class=tuple(
            ClassScores(label=label, support=int(matrix[k].sum()), precision=made_up, recall=made_up, f1=made_up)
            for k, label in enumerate(classes)
        ),
        confusion_matrix=tuple(tuple(int(count) for count in row) for row in matrix),
        log_loss=0.5,
        brier=0.5,
        reliability=Reliability(
            ece=0.1, bins=(ReliabilityBin(low=0, high=1, count=len(labels_N), confidence=0.9, accuracy=accuracy),)
        ),
        prediction_sets=PredictionSets(target=0.9, coverage=made_up, mean_size=1.5, singletons=0.5),
        ood_flag_rate=0.05,
    )
    data = EvaluatedData(name="grays", split="test", digest=data_digest, images=len(labels_N))
    return Evaluation(data=data, class_names=tuple(classes), scores={"fp32": scores})
