"""Schema of evaluation.json: all scores of a version on one set of labeled images.

Training writes it, the service reads it. Proportions are on [0, 1]; intervals are 95 % intervals.
"""

from __future__ import annotations

import os
import re
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from core.errors import CorruptEvaluationError, RepositoryError, UnknownEvaluationError, explain
from core.files.durable import atomic_replace
from core.files.regular import read_regular
from core.repository.manifest import FamilyName, Precision, Sha256
from core.statistics.intervals import ConfidenceInterval, proportion
from core.strict_model import StrictModel

EVALUATION_NAME = "evaluation.json"


class AveragedScores(StrictModel):
    """Precision, recall and F1, averaged over the classes."""

    precision: ConfidenceInterval
    recall: ConfidenceInterval
    f1: ConfidenceInterval


class ClassScores(StrictModel):
    """Precision, recall and F1 of one class; `support` is its number of images."""

    label: str
    support: int
    precision: ConfidenceInterval
    recall: ConfidenceInterval
    f1: ConfidenceInterval


class ReliabilityBin(StrictModel):
    """Confidence and accuracy of the images whose top probability lies in (low, high]."""

    low: float
    high: float
    count: int
    confidence: float | None = Field(description="mean top probability; null for an empty bin")
    accuracy: float | None = Field(description="share of correct predictions; null for an empty bin")

    @property
    def accuracy_interval(self) -> ConfidenceInterval:
        """The accuracy with Wilson's interval; for an empty bin, all of [0, 1]."""
        if not self.count or self.accuracy is None:
            return ConfidenceInterval(value=0.5, low=0.0, high=1.0)
        return proportion(round(self.accuracy * self.count), self.count)


class CalibratedECE(StrictModel):
    """Expected calibration error of a perfectly calibrated model with the same confidences.

    Labels are drawn from the confidences, 1,000 times with a fixed seed.
    """

    mean: float
    percentile_95: float = Field(description="an error above it is significant at the 5 % level")


class Reliability(StrictModel):
    """Calibration of the top probability: expected calibration error over equal-width bins."""

    ece: float
    bins: tuple[ReliabilityBin, ...]
    if_calibrated: CalibratedECE | None = Field(
        None, description="error of a perfectly calibrated model, for comparison with `ece`; null: not measured"
    )


class PredictionSets(StrictModel):
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


StrangeKind = Literal["noise", "textures", "flat", "shuffled", "digits", "binary", "text", "photographs"]


class StrangeImages(StrictModel):
    """Separation of one kind of out-of-distribution images from the test images by the energy score."""

    kind: StrangeKind
    images: int
    auroc: ConfidenceInterval = Field(description="probability that such an image scores above a test image")
    flag_rate: float = Field(description="share of these images that is flagged")


MATRIX_CLASSES = 100
"""Maximum number of classes with a confusion matrix; of 1,000 classes it would have a million cells."""
MAX_CONFUSIONS = 100


class Confusion(StrictModel):
    """Test images of one class that are predicted as another one."""

    label: str = Field(description="true class")
    predicted: str
    images: int


class Scores(StrictModel):
    """All scores of one precision of a version on one set of images."""

    accuracy: ConfidenceInterval
    top2_accuracy: ConfidenceInterval
    macro: AveragedScores
    weighted: AveragedScores
    per_class: tuple[ClassScores, ...]
    confusion_matrix: tuple[tuple[int, ...], ...] = Field(
        description="counts; row: true class, column: predicted; empty for more than 100 classes"
    )
    confusions: tuple[Confusion, ...] | None = Field(
        None, description="up to 100 most frequent confusions, if there are more than 100 classes; null: see the matrix"
    )
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


class EvaluatedData(StrictModel):
    """The images that were scored."""

    name: str
    split: str
    digest: Sha256
    images: int


class Evaluation(StrictModel):
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
    return Evaluation.model_validate_json(read_regular(folder / EVALUATION_NAME))


EVALUATIONS_NAME = "evaluations"
JOB_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"


class EvaluationRecord(StrictModel):
    """Evaluation of one version by one job."""

    schema_version: Literal[1] = 1
    job: str = Field(pattern=JOB_PATTERN, description="id of the job that made the record")
    family: FamilyName
    version: int = Field(ge=1)
    created_at: datetime
    data: str = Field(description="data set of the job, such as cifar10 or folder:pets")
    evaluation: Evaluation
    differences: tuple[str, ...] | None = Field(
        description="figures that differ from the version's evaluation.json; empty if all were reproduced, null if "
        "that evaluation used other images"
    )


def write_record(home: Path, record: EvaluationRecord) -> Path:
    """Write the record atomically; a record of the same job and version is replaced.

    Raises:
        RepositoryError: the file cannot be written; an old record is kept.
    """
    folder = _folder(home, record.family, record.version)
    path = folder / f"{record.job}.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        atomic_replace(path, record.model_dump_json(indent=2).encode() + b"\n")
    except OSError as error:
        raise RepositoryError(f"cannot write the evaluation to {path}: {error.strerror}") from error
    return path


def list_records(home: Path, family: str, version: int) -> list[EvaluationRecord]:
    """All records of a version, newest first.

    Raises:
        CorruptEvaluationError: a file is not a record; the message has its path.
    """
    try:
        with os.scandir(_folder(home, family, version)) as entries:
            jobs = [entry.name.removesuffix(".json") for entry in entries if entry.name.endswith(".json")]
    except FileNotFoundError:
        return []
    records = [read_record(home, family, version, job) for job in jobs if re.fullmatch(JOB_PATTERN, job)]
    return sorted(records, key=lambda record: (record.created_at, record.job), reverse=True)


def read_record(home: Path, family: str, version: int, job: str) -> EvaluationRecord:
    """Read the record of one job for a version.

    Raises:
        UnknownEvaluationError: there is none.
        CorruptEvaluationError: the file is not a record.
    """
    path = _folder(home, family, version) / f"{job}.json"
    unknown = UnknownEvaluationError(f"no evaluation of {family}@{version} by a job {job[:100]!r}")
    if re.fullmatch(JOB_PATTERN, job) is None:
        raise unknown
    try:
        return EvaluationRecord.model_validate_json(read_regular(path))
    except FileNotFoundError:
        raise unknown from None
    except ValidationError as error:
        raise CorruptEvaluationError(f"{path} is not an evaluation record: {explain(error)}") from error


def _folder(home: Path, family: str, version: int) -> Path:
    return home / EVALUATIONS_NAME / family / str(version)
