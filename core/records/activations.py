"""Record of activation maximization: images made by gradient ascent, and their predictions by another model."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.records.base import Record, ReportedData, ReportedModel

ClassObjective = Literal["logit", "log_odds"]


class NearestImage(Record):
    """The training image most similar to a generated image."""

    position: int = Field(description="among the training images of the data set")
    label: str
    similarity: float = Field(description="cosine of whitened thumbnails, at most 1; above 0.8 is practically a copy")


class MaximisedImage(Record):
    """One generated image and its objective."""

    kind: Literal["class", "channel"]
    name: str = Field(description="label of the class, or block and number of the channel")
    seed: int
    excitation: float = Field(description="the logit of the class, or the mean of the channel, for the image")
    before: float = Field(description="the same for the initial image of the ascent")
    own_label: str = Field(description="prediction of the model that the image was made for")
    own_probability: float | None = Field(description="its probability of the target class; null for a channel")
    other_label: str = Field(description="prediction of the other model")
    other_probability: float | None = Field(description="its probability of the target class; null for a channel")
    nearest: NearestImage
    file: str = Field(description="PNG file of the image, beside this record")


class ModelActivations(Record):
    """The images made for one model."""

    model: ReportedModel
    other: ReportedModel = Field(description="other model that predicts the images")
    images: tuple[MaximisedImage, ...]
    transfer: float = Field(description="share of the class images that the other model assigns to the target class")
    recognised: float = Field(description="share of the class images that the model assigns to the target class")


class Activations(Record):
    """The images of both models."""

    schema_version: Literal[1] = 1
    data: ReportedData
    steps: int = Field(description="of gradient ascent")
    class_objective: ClassObjective = Field(
        "logit",
        description="objective for a class: its logit (also in records without this field), or the log-odds of its "
        "probability",
    )
    models: tuple[ModelActivations, ModelActivations]
