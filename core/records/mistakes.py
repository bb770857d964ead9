"""Record of classification mistakes of two versions on the same test images."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.records.base import ReportedData, ReportedModel
from core.statistics.intervals import ConfidenceInterval
from core.strict_model import StrictModel

PropertyName = Literal["brightness", "contrast", "edges", "off_centre", "similarity"]


class ClassError(StrictModel):
    """Error rate of one class."""

    label: str
    images: int
    error: ConfidenceInterval


class Confusion(StrictModel):
    """Frequency of predicting one class as another one."""

    label: str
    answer: str
    count: int
    rate: ConfidenceInterval = Field(description="share of the class's images")


class Confidence(StrictModel):
    """Confidence of a version in wrong and in correct predictions."""

    wrong: ConfidenceInterval | None = Field(description="mean top probability of wrong predictions; null without any")
    right: ConfidenceInterval | None
    sure_of_wrong: ConfidenceInterval | None = Field(
        description="share of wrong predictions with a probability of at least 90 %"
    )


class PropertyBin(StrictModel):
    """Error rate of the images whose property lies in [low, high]."""

    low: float
    high: float
    images: int
    error: ConfidenceInterval


class Pattern(StrictModel):
    """Error rate against one property of the images."""

    name: PropertyName
    description: str
    bins: tuple[PropertyBin, ...] = Field(description="fifths of the images, in ascending order of the property")
    trend: ConfidenceInterval = Field(description="error rate of the last fifth minus that of the first")
    separation: ConfidenceInterval | None = Field(
        description="probability that a wrongly classified image has a higher value than a correct one; 0.5 means no "
        "relation; null if all are correct or all wrong"
    )


class ModelMistakes(StrictModel):
    """The mistakes of one version."""

    model: ReportedModel
    error: ConfidenceInterval
    classes: tuple[ClassError, ...] = Field(description="highest error rate first")
    confusions: tuple[Confusion, ...] = Field(description="most frequent ordered pairs of classes")
    confidence: Confidence
    patterns: tuple[Pattern, ...]


class Overlap(StrictModel):
    """Overlap of the mistakes of two versions."""

    only_first: ConfidenceInterval = Field(description="share of the images that only the first version gets wrong")
    only_second: ConfidenceInterval
    both: ConfidenceInterval
    both_if_independent: float = Field(description="expected value of `both` for independent mistakes")
    same_answer: ConfidenceInterval | None = Field(
        description="share of the images that both get wrong with the same prediction"
    )


class TopClass(StrictModel):
    """Most probable class of one version for an image."""

    label: str
    probability: float


class Notable(StrictModel):
    """One test image with the predictions of both versions."""

    position: int = Field(description="among the test images of the data set")
    label: str = Field(description="class in the data set")
    first: TopClass
    second: TopClass


class Mistakes(StrictModel):
    """The mistakes of both versions."""

    schema_version: Literal[1] = 1
    data: ReportedData
    models: tuple[ModelMistakes, ModelMistakes]
    overlap: Overlap
    confident: tuple[tuple[Notable, ...], tuple[Notable, ...]] = Field(
        description="mistakes with the highest confidence, by version"
    )
    label_candidates: tuple[Notable, ...] = Field(
        description="images on which both versions agree against the label with at least 90 %: candidates for label "
        "errors, not reviewed"
    )
