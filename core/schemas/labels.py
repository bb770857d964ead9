"""API schemas of feedback, of labelling by people, and of data sets made from labelled traffic."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from core.images.class_labels import MAX_LABEL_CHARACTERS
from core.images.edit_journal import DatasetEdit
from core.repository.manifest import Precision
from core.schemas.api import ResponseModel
from core.schemas.datasets import DatasetDetail, SkippedFile
from core.schemas.models import Reason
from core.statistics.intervals import ConfidenceInterval
from core.strict_model import StrictModel

MAX_FEEDBACK = 500
"""Maximum number of labels in a request."""
LabelAction = Literal["label", "none", "skip", "undo"]


class TrueLabel(StrictModel):
    """True class of one image."""

    id: str = Field(
        min_length=1,
        max_length=160,
        description="request id; `<request id>~<index>` for an image of a request with several, from 0 on",
    )
    label: str | None = Field(
        min_length=1, max_length=MAX_LABEL_CHARACTERS, description='true class; null for "none of the classes"'
    )


class FeedbackRequest(StrictModel):
    """Body of POST /feedback."""

    labels: tuple[TrueLabel, ...] = Field(min_length=1, max_length=MAX_FEEDBACK)


class FeedbackResult(ResponseModel):
    """Response of POST /feedback."""

    stored: int = Field(ge=0, description="number of new or corrected labels")
    unchanged: int = Field(ge=0, description="number of labels that were known already")
    unknown: tuple[str, ...] = Field(
        description="ids without a stored image: not captured, not yet written (up to a second), expired or deleted"
    )
    new_classes: tuple[str, ...] = Field(description="labels that are not a class of the models that answered")


class LabellingTask(ResponseModel):
    """A picture to label. The answers of the models are not shown, because they would influence people."""

    id: str = Field(description="of the picture, for POST /labelling/{id}")
    claim: str = Field(description="token that the label needs")
    expires_at: datetime = Field(description="time after which somebody else may get the picture")
    record: str = Field(description="id of the request, with the index of the image")
    recorded_at: datetime = Field(description="time of the request")
    origin: Literal["capture", "trial"] = Field(description="chosen at random, or a disagreement of a shadow trial")
    classes: tuple[str, ...] = Field(description="classes of the models")
    width: int = Field(description="of the picture, in pixels")
    height: int
    picture: str = Field(description="PNG file as a `data:` URL")


class LabellingCounts(ResponseModel):
    """Numbers of pictures that were chosen for labelling."""

    waiting: int = Field(ge=0, description="pictures that nobody has labelled")
    labelled: int = Field(ge=0, description="pictures that a person has labelled and that are still stored")


class NextTask(ResponseModel):
    """Response of GET /labelling/next."""

    task: LabellingTask | None = Field(description="null if there is no picture for this caller at the moment")
    counts: LabellingCounts


class LabellingRequest(StrictModel):
    """Body of POST /labelling/{id}."""

    action: LabelAction = Field(
        description="`none`: none of the classes; `skip`: this key does not get the picture again; `undo`: the last "
        "action of this key for the picture"
    )
    label: str | None = Field(None, min_length=1, max_length=MAX_LABEL_CHARACTERS, description="with `label` only")
    claim: str | None = Field(None, max_length=64, description="of the picture; not needed for `undo`")


class LabellingResult(ResponseModel):
    """Response of POST /labelling/{id}."""

    id: str
    label: str | None = Field(description="current label; null without one")
    is_labelled: bool = Field(description='true if the picture has a label, which may be "none of the classes"')
    task: LabellingTask | None = Field(description="after an undo the picture, claimed again; null if that failed")
    counts: LabellingCounts


class ModelEstimate(ResponseModel):
    """Estimates for the images that one version answered, from labels of randomly chosen pictures.

    The intervals are confidence sequences: each contains the true value at all times at once with 95 %.
    """

    model: str
    version: int
    precision: Precision
    images: int = Field(description="number of labelled images")
    accuracy: ConfidenceInterval
    class_precision: dict[str, ConfidenceInterval] = Field(description="by class that was answered")
    class_recall: dict[str, ConfidenceInterval] = Field(description="by true class")


class LabellingSummary(ResponseModel):
    """Response of GET /labelling."""

    counts: LabellingCounts
    observations: int = Field(ge=0, description="labelled pictures that were chosen at random; the estimates use these")
    other_labels: int = Field(ge=0, description="labelled images from clients and shadow trials only, not used")
    estimates: tuple[ModelEstimate, ...]


class FromTrafficRequest(StrictModel):
    """Body of POST /datasets/{name}/from-traffic."""

    reason: Reason | None = Field(None, description="reason for the journal of edits")


class FromTrafficResult(ResponseModel):
    """Response of POST /datasets/{name}/from-traffic."""

    dataset: DatasetDetail = Field(description="the data set after the change")
    added: int = Field(ge=0, description="number of new images")
    duplicates: int = Field(ge=0, description="number of images that the data set has with this class")
    relabelled: int = Field(ge=0, description="number of images of the data set whose label was corrected since")
    edit: DatasetEdit | None = Field(description="the new line of the journal; null if no label was corrected")
    skipped: int = Field(ge=0, description="number of images that were not added")
    skipped_files: tuple[SkippedFile, ...] = Field(description="the first 100 of them, by id, with the reason")
