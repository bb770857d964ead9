"""Observers of answered requests: capture and shadow trials see pictures and outputs without changing the response."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, TypeAlias

from core.repository.graph_records import Calibration
from service.engine.arrays import Pixels
from service.engine.loaded_model import ModelVariant
from service.engine.postprocess import Outputs

Route: TypeAlias = Literal["predict", "compare", "infer"]
"""POST /predict, POST /compare, or infer of the Open Inference Protocol."""


class ModelAnswer(NamedTuple):
    """Outputs of one model for all images of a request.

    Attributes:
        served: the model.
        outputs: row i belongs to image i.
        calibration: temperature and thresholds that `outputs` was computed with.
        tta: True if the logits are averages over several views of each image.
    """

    served: ModelVariant
    outputs: Outputs
    calibration: Calibration
    tta: bool = False


class AnsweredRequest(NamedTuple):
    """A request whose predictions are ready.

    Attributes:
        request_id: id of the request; clients may choose it, so it is not always unique.
        route: the route that was called.
        images: uint8 [H, W, 3] each, as the first model of `answers` saw it; not to be changed.
        uploads: the uploaded files in the order of `images`; empty for `infer`, whose images are tensors.
        answers: one per model; at least one.
    """

    request_id: str
    route: Route
    images: Sequence[Pixels]
    uploads: Sequence[bytes]
    answers: Sequence[ModelAnswer]


Observer: TypeAlias = Callable[[AnsweredRequest], None]
"""Called on the event loop before the response is sent. It must return within microseconds, and must not raise."""
