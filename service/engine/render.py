"""Answers as JSON data: what `core.schemas.api.Prediction` describes, as plain dictionaries.

They are built on the path of every request, where validating and dumping a pydantic model would take longer than all
the rest; the tests hold them against the models.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from core.repository.manifest import Calibration
from core.statistics.calibration import softmax
from core.statistics.divergence import jensen_shannon_bits
from service.engine.loaded_model import ModelVariant
from service.engine.postprocess import DIGITS, Outputs


def render_prediction(
    served: ModelVariant,
    outputs: Outputs,
    row: int,
    filename: str | None,
    notes: tuple[str, ...],
    top_k: int,
    calibration: Calibration,
) -> dict[str, Any]:
    """The answer to one image.

    Args:
        served: the version that gave the outputs.
        outputs: of the batch or request the image was in.
        row: the image's row there.
        filename: as the client named the file.
        notes: what was done to the image.
        top_k: how many classes to list; all of them where the model knows fewer.
        calibration: by which the outputs were interpreted.
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
    """Jensen-Shannon divergence of several versions' probabilities for one image, over the union of their classes.

    Args:
        served: the versions.
        outputs: of one image each; the number of classes may differ.
    """
    column = {label: i for i, label in enumerate(dict.fromkeys(label for one in served for label in one.labels))}
    distributions_MK = np.zeros((len(served), len(column)))
    for row, (one, out) in enumerate(zip(served, outputs, strict=True)):
        probabilities_K = softmax(out.logits_NK[:1], one.calibration.temperature)[0]
        distributions_MK[row, [column[label] for label in one.labels]] = probabilities_K
    return round(jensen_shannon_bits(distributions_MK), DIGITS)
