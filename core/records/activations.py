"""Images that excite a network most, made by gradient ascent, and how others see them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.records.base import Record, ReportedData, ReportedModel

ClassObjective = Literal["logit", "log_odds"]


class NearestImage(Record):
    """The training image that a made image is most like."""

    position: int = Field(description="among the training images of the data set")
    label: str
    similarity: float = Field(
        description="cosine of whitened thumbnails, at most 1; above 0.8 one would call it a copy"
    )


class MaximisedImage(Record):
    """One image and what it was made for."""

    kind: Literal["class", "channel"]
    name: str = Field(description="label of the class, or block and number of the channel")
    seed: int
    excitation: float = Field(description="the logit of the class, or the mean of the channel, for the image")
    before: float = Field(description="the same for the image that the ascent began with")
    own_label: str = Field(description="what the model that it was made for takes it for")
    own_probability: float | None = Field(description="that model's, of the class it was made for; null for a channel")
    other_label: str = Field(description="what the other model takes it for")
    other_probability: float | None = Field(description="the other model's, of the class it was made for")
    nearest: NearestImage
    file: str = Field(description="PNG of the image as it is, beside this record")


class ModelActivations(Record):
    """The images made for one model."""

    model: ReportedModel
    other: ReportedModel = Field(description="the model that the images are shown to as well")
    images: tuple[MaximisedImage, ...]
    transfer: float = Field(description="share of the class images that the other model takes for that class")
    recognised: float = Field(description="share of the class images that the model itself takes for that class")


class Activations(Record):
    """The images of both models."""

    schema_version: Literal[1] = 1
    data: ReportedData
    steps: int = Field(description="of gradient ascent")
    class_objective: ClassObjective = Field(
        "logit",
        description="what the ascent raised for a class: its bare logit, as in records that do not say, or the "
        "log-odds of its probability",
    )
    models: tuple[ModelActivations, ModelActivations]
