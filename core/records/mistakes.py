"""The mistakes of two versions on the same test images."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.records.base import Record, ReportedData, ReportedModel
from core.repository.confidence_interval import ConfidenceInterval

PropertyName = Literal["brightness", "contrast", "edges", "off_centre", "similarity"]


class ClassError(Record):
    """How often the images of one class are taken for another."""

    label: str
    images: int
    error: ConfidenceInterval


class Confusion(Record):
    """How often one class is taken for one other."""

    label: str
    answer: str
    count: int
    rate: ConfidenceInterval = Field(description="share of the class's images")


class Confidence(Record):
    """How sure a version is where it is wrong, and where it is right."""

    wrong: ConfidenceInterval | None = Field(
        description="mean top probability of wrong answers; null where there is none"
    )
    right: ConfidenceInterval | None
    sure_of_wrong: ConfidenceInterval | None = Field(description="share of the wrong answers given with 90 % or more")


class PropertyBin(Record):
    """Images whose property lies in [low, high], and how many of them are answered wrong."""

    low: float
    high: float
    images: int
    error: ConfidenceInterval


class Pattern(Record):
    """Error rate against one property of the images."""

    name: PropertyName
    description: str
    bins: tuple[PropertyBin, ...] = Field(description="fifths of the images, in rising order of the property")
    trend: ConfidenceInterval = Field(description="error rate of the last fifth less that of the first")
    separation: ConfidenceInterval | None = Field(
        description="probability that an image answered wrong has more of the property than one answered right; 0.5 "
        "where the property says nothing; null where all are right or all wrong"
    )


class ModelMistakes(Record):
    """The mistakes of one version."""

    model: ReportedModel
    error: ConfidenceInterval
    classes: tuple[ClassError, ...] = Field(description="the hardest first")
    confusions: tuple[Confusion, ...] = Field(description="the most frequent ordered pairs")
    confidence: Confidence
    patterns: tuple[Pattern, ...]


class Overlap(Record):
    """Which mistakes the two share."""

    only_first: ConfidenceInterval = Field(description="share of the images that only the first version answers wrong")
    only_second: ConfidenceInterval
    both: ConfidenceInterval
    both_if_independent: float = Field(
        description="what `both` would be if the mistakes had nothing to do with each other"
    )
    same_answer: ConfidenceInterval | None = Field(
        description="share of the images both answer wrong where they say the same"
    )


class Answer(Record):
    """What one version says to an image."""

    label: str
    probability: float


class Notable(Record):
    """One test image and what both versions say."""

    position: int = Field(description="among the test images of the data set")
    label: str = Field(description="its class according to the data set")
    first: Answer
    second: Answer


class Mistakes(Record):
    """The mistakes of both versions."""

    schema_version: Literal[1] = 1
    data: ReportedData
    models: tuple[ModelMistakes, ModelMistakes]
    overlap: Overlap
    confident: tuple[tuple[Notable, ...], tuple[Notable, ...]] = Field(
        description="the mistakes that each version is surest of"
    )
    label_candidates: tuple[Notable, ...] = Field(
        description="images on which both agree against the label, both with 90 % or more: candidates for label "
        "errors, which nobody has looked at"
    )
