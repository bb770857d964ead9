"""API schemas of the comparison of two versions."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from core.comparison.pairwise import ClassDifference, ProbabilityScores
from core.comparison.significance import Significance
from core.records.latency import Latency
from core.records.robustness import RobustnessComparison
from core.repository.evaluation import EvaluatedData, Scores
from core.repository.graph_records import QuantizationRecord
from core.repository.manifest import CostRecord, EnvironmentRecord, Precision
from core.schemas.api import ResponseModel
from core.statistics.comparison import PairedComparison
from core.statistics.intervals import ConfidenceInterval


class EvaluatedModel(ResponseModel):
    """One side of GET /metrics/compare."""

    model: str
    version: int
    precision: Precision = Field(description="precision of the scored graph")
    champion: bool = Field(description="true if the version is the champion of its family")
    architecture: Literal["mlp", "cnn", "imported"]
    recipe: str
    created_at: datetime
    scores: Scores = Field(description="published scores; scores that older records lack are computed now")
    probability: ProbabilityScores = Field(description="log loss, Brier score, calibration error and confusion rates")
    cost: CostRecord
    environment: EnvironmentRecord = Field(description="training environment, which `cost.training_seconds` refers to")
    files: dict[str, int] = Field(description="size of each file of the version, in bytes")
    served_bytes: int = Field(description="size of the fp32 graph and its weights")
    quantization: QuantizationRecord | None = Field(description="the int8 variant; null if not tried")
    latency: Latency | None = Field(description="latency per image on a named machine; null if not recorded")


class MetricsComparison(ResponseModel):
    """Response of GET /metrics/compare: both versions on the same test images, and their differences.

    Differences are first minus second.
    """

    data: EvaluatedData
    class_names: tuple[str, ...]
    significance: Significance = Field(description="significance of the difference, in words")
    first: EvaluatedModel
    second: EvaluatedModel
    paired: PairedComparison = Field(description="from the stored predictions of both models")
    log_loss_difference: ConfidenceInterval = Field(description="paired bootstrap over images")
    brier_difference: ConfidenceInterval
    ece_difference: ConfidenceInterval
    per_class: tuple[ClassDifference, ...] = Field(description="recall of each class")
    robustness: RobustnessComparison | None = Field(description="null if one version has no record; see `notes`")
    notes: tuple[str, ...] = Field(description="missing parts of the comparison, and the commands to measure them")
