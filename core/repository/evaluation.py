"""Schema of evaluation.json: all scores of a version on one set of labelled images.

Training writes it, the service reads it. Proportions are on [0, 1]; intervals are 95 % intervals.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from core.repository.confidence_interval import ConfidenceInterval
from core.repository.manifest import Precision, Sha256

EVALUATION_NAME = "evaluation.json"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AveragedScores(_Record):
    """Precision, recall and F1, averaged over the classes."""

    precision: ConfidenceInterval
    recall: ConfidenceInterval
    f1: ConfidenceInterval


class ClassScores(_Record):
    """Precision, recall and F1 of one class; `support` is its number of images."""

    label: str
    support: int
    precision: ConfidenceInterval
    recall: ConfidenceInterval
    f1: ConfidenceInterval


class ReliabilityBin(_Record):
    """Confidence and accuracy of the images whose top probability lies in (low, high]."""

    low: float
    high: float
    count: int
    confidence: float | None = Field(description="mean top probability; null for an empty bin")
    accuracy: float | None = Field(description="share of correct predictions; null for an empty bin")


class CalibratedECE(_Record):
    """Expected calibration error of a perfectly calibrated model with the same confidences.

    Labels are drawn from the confidences, 1,000 times with a fixed seed.
    """

    mean: float
    percentile_95: float = Field(description="an error above it is significant at the 5 % level")


class Reliability(_Record):
    """Calibration of the top probability: expected calibration error over equal-width bins."""

    ece: float
    bins: tuple[ReliabilityBin, ...]
    if_calibrated: CalibratedECE | None = Field(
        None, description="error of a perfectly calibrated model, for comparison with `ece`; null: not measured"
    )


class PredictionSets(_Record):
    """Coverage and size of the conformal prediction sets."""

    target: float
    coverage: ConfidenceInterval
    mean_size: float
    singletons: float = Field(description="share of sets with one class")
    band: tuple[float, float] | None = Field(
        None,
        description="95 % band of the coverage if the target holds, by the beta-binomial distribution for these images "
        "and `calibration_images`; null: not measured",
    )
    calibration_images: int | None = Field(
        None,
        description="holdout images that the threshold was fitted on; null in older records, whose binomial `band` "
        "ignores them and is too narrow",
    )


StrangeKind = Literal["noise", "textures", "flat", "shuffled", "digits"]


class StrangeImages(_Record):
    """Separation of one kind of out-of-distribution images from the test images by the energy score."""

    kind: StrangeKind
    images: int
    auroc: ConfidenceInterval = Field(description="probability that such an image scores above a test image")
    flag_rate: float = Field(description="share of these images that is flagged")


class Scores(_Record):
    """All scores of one precision of a version on one set of images."""

    accuracy: ConfidenceInterval
    top2_accuracy: ConfidenceInterval
    macro: AveragedScores
    weighted: AveragedScores
    per_class: tuple[ClassScores, ...]
    confusion_matrix: tuple[tuple[int, ...], ...] = Field(description="counts; row: true class, column: predicted")
    log_loss: float = Field(description="mean of -ln p(true class), natural logarithm")
    brier: float = Field(description="mean squared distance between probabilities and one-hot label, on [0, 2]")
    reliability: Reliability
    prediction_sets: PredictionSets
    ece_before_temperature: float | None = Field(
        None, description="expected calibration error without temperature; null: not measured"
    )
    ood_flag_rate: float = Field(description="share flagged as out of distribution")
    strange: tuple[StrangeImages, ...] | None = Field(
        None, description="scores of out-of-distribution images; null: not measured"
    )


class EvaluatedData(_Record):
    """The images that were scored."""

    name: str
    split: str
    digest: Sha256
    images: int


class Evaluation(_Record):
    """Content of evaluation.json."""

    schema_version: Literal[1] = 1
    data: EvaluatedData
    class_names: tuple[str, ...]
    scores: dict[Precision, Scores]

    def to_json(self) -> str:
        """Indented JSON with a final newline, as stored."""
        return self.model_dump_json(indent=2) + "\n"


def read_evaluation(folder: Path) -> Evaluation:
    """Read and validate `folder`/evaluation.json.

    Raises:
        OSError: the file cannot be read.
        pydantic.ValidationError: it is not an evaluation of this schema version.
    """
    return Evaluation.model_validate_json((folder / EVALUATION_NAME).read_bytes())
