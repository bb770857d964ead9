"""Rows of a table of predictions, one for each file."""

from __future__ import annotations

from typing import Any

from core.schemas.api import Prediction
from core.strict_model import StrictModel


class Row(StrictModel):
    """Prediction of one file, or the reason why there is none.

    Attributes:
        file: path as it was named, with `/`; bytes that are not UTF-8 are escaped.
        label: the most probable class.
        probability: calibrated probability of `label`.
        prediction_set: classes that contain the true class with the coverage of the version.
        out_of_distribution: true if the image is unlike the training images.
        error: reason why the file has no prediction; the other values are then null.
    """

    file: str
    label: str | None = None
    probability: float | None = None
    prediction_set: tuple[str, ...] | None = None
    out_of_distribution: bool | None = None
    error: str | None = None


COLUMNS = tuple(Row.model_fields)


def predicted(file: str, prediction: Prediction | dict[str, Any]) -> Row:
    """The row of a prediction of the service, or of `service.engine.postprocess.render_prediction`."""
    values = prediction.model_dump() if isinstance(prediction, Prediction) else prediction
    return Row(
        file=file,
        label=values["label"],
        probability=values["probability"],
        prediction_set=tuple(values["prediction_set"]),
        out_of_distribution=values["out_of_distribution"]["flag"],
    )
