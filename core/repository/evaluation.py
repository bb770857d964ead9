"""evaluation.json: what was measured of a version on one set of labelled images.

`training` computes and writes it, `service` reads and compares it. Every proportion is on [0, 1] and every
interval is a 95 % interval.
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
    """Precision, recall and F1 of one class; `support` counts the images whose true class it is."""

    label: str
    support: int
    precision: ConfidenceInterval
    recall: ConfidenceInterval
    f1: ConfidenceInterval


class ReliabilityBin(_Record):
    """Images whose top probability lies in (low, high]: how sure the model was and how often it was right."""

    low: float
    high: float
    count: int
    confidence: float | None = Field(description="mean top probability; null for an empty bin")
    accuracy: float | None = Field(description="share of right answers; null for an empty bin")


class CalibratedECE(_Record):
    """Expected calibration error of a perfectly calibrated model with the same confidences on as many images.

    Its labels are drawn from the confidences, 1,000 times by a fixed seed.
    """

    mean: float
    percentile_95: float = Field(description="an error above it is more than chance, at a level of 5 %")


class Reliability(_Record):
    """Calibration of the top probability: expected calibration error over equal-width bins."""

    ece: float
    bins: tuple[ReliabilityBin, ...]
    if_calibrated: CalibratedECE | None = Field(
        None, description="the error of a perfectly calibrated model, to compare `ece` with; null: not measured"
    )


class PredictionSets(_Record):
    """How the conformal prediction sets did: share that hold the true class, and how many classes they name."""

    target: float
    coverage: ConfidenceInterval
    mean_size: float
    singletons: float = Field(description="share of sets that name one class")
    band: tuple[float, float] | None = Field(
        None,
        description="between which shares the coverage lies in 95 of 100 cases if the promise is kept, by the "
        "beta-binomial distribution for these images and `calibration_images`; null: not measured",
    )
    calibration_images: int | None = Field(
        None,
        description="holdout images that the threshold was fitted on; null in older records, whose `band` is "
        "binomial, takes no account of them and is too narrow",
    )


StrangeKind = Literal["noise", "textures", "flat", "shuffled", "digits"]


class StrangeImages(_Record):
    """How the out-of-distribution score tells images of no class, of one kind, from the test images."""

    kind: StrangeKind
    images: int
    auroc: ConfidenceInterval = Field(description="probability that one of them scores above a test image")
    flag_rate: float = Field(description="share of them that is flagged")


class Scores(_Record):
    """All figures of one precision of a version on one set of images."""

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
        None, description="expected calibration error of the logits as they are; null: not measured"
    )
    ood_flag_rate: float = Field(description="share flagged as out of distribution")
    strange: tuple[StrangeImages, ...] | None = Field(
        None, description="how images of no class score; null: not measured"
    )


class EvaluatedData(_Record):
    """The images that were scored."""

    name: str
    split: str
    digest: Sha256
    images: int


class Evaluation(_Record):
    """The whole of evaluation.json."""

    schema_version: Literal[1] = 1
    data: EvaluatedData
    class_names: tuple[str, ...]
    scores: dict[Precision, Scores]

    def to_json(self) -> str:
        """As it stands on disk: indented JSON with a final newline."""
        return self.model_dump_json(indent=2) + "\n"


def read_evaluation(folder: Path) -> Evaluation:
    """Read and validate `folder`/evaluation.json.

    Raises:
        OSError: the file cannot be read.
        pydantic.ValidationError: it is not an evaluation of this schema version.
    """
    return Evaluation.model_validate_json((folder / EVALUATION_NAME).read_bytes())
