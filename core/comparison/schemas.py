"""Comparison of two versions on the test images, as the API answers it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from core.comparison.pairwise import ClassDifference, ProbabilityScores
from core.comparison.robustness import RobustnessComparison
from core.comparison.significance import Significance
from core.records.latency import Latency
from core.repository.confidence_interval import ConfidenceInterval
from core.repository.evaluation import EvaluatedData, Scores
from core.repository.manifest import CostRecord, EnvironmentRecord, Precision, QuantizationRecord
from core.schemas.api import ResponseModel
from core.statistics.comparison import PairedComparison


class EvaluatedModel(ResponseModel):
    """One side of GET /metrics/compare."""

    model: str
    version: int
    precision: Precision = Field(description="of the graph whose scores these are")
    champion: bool = Field(description="whether this version answers when none is asked for")
    architecture: Literal["mlp", "cnn"]
    recipe: str
    created_at: datetime
    scores: Scores = Field(
        description="as measured when the version was published; figures that older records lack are computed now"
    )
    probability: ProbabilityScores = Field(description="log loss, Brier score, calibration error and confusion rates")
    cost: CostRecord
    environment: EnvironmentRecord = Field(description="what it was trained with: `cost.training_seconds` are of it")
    files: dict[str, int] = Field(description="size of each file of the version, in bytes")
    served_bytes: int = Field(description="of the graph in fp32 and its weights")
    quantization: QuantizationRecord | None = Field(description="the int8 variant; null where that was not tried")
    latency: Latency | None = Field(description="of one image on a named machine; null where that is not recorded")


class MetricsComparison(ResponseModel):
    """Answer of GET /metrics/compare: both versions on the same test images, and their difference.

    Differences are first minus second.
    """

    data: EvaluatedData
    class_names: tuple[str, ...]
    significance: Significance = Field(description="whether the difference is more than chance, in words")
    first: EvaluatedModel
    second: EvaluatedModel
    paired: PairedComparison = Field(description="from the stored answers of both models to each image")
    log_loss_difference: ConfidenceInterval = Field(
        description="by the bootstrap, both sides from the same resamples of images"
    )
    brier_difference: ConfidenceInterval
    ece_difference: ConfidenceInterval
    per_class: tuple[ClassDifference, ...] = Field(description="the share of each class that either recognizes")
    robustness: RobustnessComparison | None = Field(description="null where one of them has no record; see `notes`")
    notes: tuple[str, ...] = Field(description="what is missing from this comparison, and what would make it")
