"""Postprocessing: from logits to the predictions of a response.

A whole batch of logits is postprocessed at once; each request then reads its rows. Predictions are plain dictionaries
with the fields of `core.schemas.api.Prediction`: pydantic models would be slower than all other steps of a request.
Tests compare the dictionaries with the models.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from core.repository.graph_records import Calibration
from core.statistics.calibration import softmax
from core.statistics.comparison import jensen_shannon_bits
from service.engine.arrays import Floats, Pixels, RunModel

if TYPE_CHECKING:
    from service.engine.loaded_model import ModelVariant

DIGITS = 6
"""Decimal digits in responses; a float32 model supports no more."""


@dataclass(frozen=True, slots=True)
class Outputs:
    """Postprocessed outputs of N images; row i of each field belongs to image i.

    The fields that are read number by number are lists: reading an element of a list is ten times as fast as reading
    an element of an array.

    Attributes:
        logits_NK: float32.
        probabilities: after temperature scaling, rounded to 6 digits.
        order: classes, most probable first.
        set_sizes: number of classes of `order` in the prediction set, at least 1.
        energies: out-of-distribution scores, -logsumexp(logits).
        started: time when the logits were ready and postprocessing began, on the clock of `time.perf_counter`.
    """

    logits_NK: Floats
    probabilities: list[list[float]]
    order: list[list[int]]
    set_sizes: list[int]
    energies: list[float]
    started: float

    def rows(self, start: int, stop: int) -> Outputs:
        """Outputs of images start..stop."""
        return Outputs(
            self.logits_NK[start:stop],
            self.probabilities[start:stop],
            self.order[start:stop],
            self.set_sizes[start:stop],
            self.energies[start:stop],
            self.started,
        )

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Outputs:
        """Concatenation of the parts."""
        if len(parts) == 1:
            return parts[0]
        return Outputs(
            np.concatenate([part.logits_NK for part in parts]),
            [row for part in parts for row in part.probabilities],
            [row for part in parts for row in part.order],
            [size for part in parts for size in part.set_sizes],
            [score for part in parts for score in part.energies],
            max(part.started for part in parts),
        )


RunBatch = Callable[[Pixels], Outputs]
"""images_NHWC uint8 -> outputs; blocks and is thread-safe."""


def with_postprocessing(run: RunModel, calibration: Calibration) -> RunBatch:
    """A function that calls `run` and then `postprocess`."""

    def run_batch(images_NHWC: Pixels) -> Outputs:
        return postprocess(run(images_NHWC), calibration)

    return run_batch


def postprocess(logits_NK: Floats, calibration: Calibration) -> Outputs:
    """Probabilities, class order, prediction sets and energies of float32 logits [N, K].

    The results equal those of `softmax`, `energy` and `prediction_set_mask` of core.statistics. The steps are shared
    here because for one image the number of numpy calls determines the time.
    """
    started = time.perf_counter()
    logits = logits_NK.astype(np.float64)
    greatest_N1 = np.maximum.reduce(logits, axis=1, keepdims=True)
    centered_NK = logits - greatest_N1
    normalizer_N1 = np.log(np.add.reduce(np.exp(centered_NK), axis=1, keepdims=True))
    exponentials_NK = np.exp(centered_NK / calibration.temperature)
    probabilities_NK = exponentials_NK / np.add.reduce(exponentials_NK, axis=1, keepdims=True)
    # Compared as float32, as in prediction_set_mask. The set always contains the most probable class.
    in_set_NK = probabilities_NK.astype(np.float32) >= calibration.conformal_threshold
    return Outputs(
        logits_NK=logits_NK,
        probabilities=probabilities_NK.round(DIGITS).tolist(),
        order=(-probabilities_NK).argsort(axis=1, kind="stable").tolist(),
        set_sizes=[size or 1 for size in np.add.reduce(in_set_NK, axis=1, dtype=np.intp).tolist()],
        energies=(-(greatest_N1 + normalizer_N1)).ravel().tolist(),
        started=started,
    )


def render_prediction(
    served: ModelVariant,
    outputs: Outputs,
    row: int,
    filename: str | None,
    notes: tuple[str, ...],
    top_k: int,
    calibration: Calibration,
) -> dict[str, Any]:
    """The prediction for one image as JSON data.

    Args:
        served: model variant that made the outputs.
        outputs: outputs of the batch or request that contains the image.
        row: row of the image in `outputs`.
        filename: file name sent by the client.
        notes: changes made to the image before prediction.
        top_k: number of classes to list, limited to the classes of the model.
        calibration: calibration used for `outputs`.
    """
    labels = served.labels
    probabilities, order = outputs.probabilities[row], outputs.order[row]
    score = outputs.energies[row]
    top = [{"label": labels[k], "probability": probabilities[k]} for k in order[:top_k]]
    return {
        "filename": filename,
        "model": served.family,
        "version": served.version,
        "precision": served.precision,
        "label": top[0]["label"],
        "probability": top[0]["probability"],
        "top": top,
        "prediction_set": [labels[k] for k in order[: outputs.set_sizes[row]]],
        "coverage": calibration.coverage,
        "out_of_distribution": {
            "score": round(score, DIGITS),
            "threshold": calibration.ood_threshold,
            "flag": score > calibration.ood_threshold,
        },
        "notes": notes,
    }


def divergence_bits(served: Sequence[ModelVariant], outputs: Sequence[Outputs]) -> float:
    """Jensen-Shannon divergence in bits between the probabilities of several models for one image.

    The distributions are over the union of the models' classes.

    Args:
        served: the models.
        outputs: outputs of each model for one image; the number of classes may differ.
    """
    column = {label: i for i, label in enumerate(dict.fromkeys(label for one in served for label in one.labels))}
    distributions_MK = np.zeros((len(served), len(column)))
    for row, (one, out) in enumerate(zip(served, outputs, strict=True)):
        probabilities_K = softmax(out.logits_NK[:1], one.calibration.temperature)[0]
        distributions_MK[row, [column[label] for label in one.labels]] = probabilities_K
    return round(jensen_shannon_bits(distributions_MK), DIGITS)
