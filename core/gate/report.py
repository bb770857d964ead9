"""Gate report schema and thresholds (the setting DUET_GATE): verdicts as data for programs and sentences for people."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.repository.manifest import FamilyName
from core.statistics.comparison import PairedComparison
from core.strict_model import StrictModel


class GateThresholds(StrictModel, use_attribute_docstrings=True):
    """Limits of the gate. Accuracies and errors are on [0, 1]; ratios are candidate divided by champion."""

    significance: float = Field(0.05, gt=0, lt=1)
    """Error budget of a holdout: probability that any version is promoted by chance; see `error_budget`.

    With Holm's correction, it is also the significance level for a loss of a class.
    """

    non_inferiority_margin: float = Field(0.005, gt=0, lt=1)
    """Largest accepted loss of accuracy of a cheaper model against the best champion so far.

    It refers to the lower end of an interval at the level of the attempt.
    """

    min_corrupted_accuracy_gain: float = Field(0.05, gt=0, lt=1)
    """More robust: smallest gain of accuracy on corrupted holdout images.

    It refers to the low end of an interval at the level of the attempt.
    """

    robust_inferiority_margin: float = Field(0.02, gt=0, lt=1)
    """Like `non_inferiority_margin`, for a more robust model."""

    cheaper_ratio: float = Field(0.9, gt=0, lt=1)
    """Cheaper: latency or size ratio is at most this value, the other one at most its inverse."""

    max_calibration_loss: float = Field(0.01, ge=0, lt=1)
    """Largest accepted increase of the expected calibration error."""

    max_corrupted_accuracy_loss: float = Field(0.02, ge=0, lt=1)
    """Largest accepted loss of accuracy on corrupted holdout images, at the low end of its 95 % interval."""

    max_corrupted_flag_increase: float = Field(0.05, ge=0, lt=1)
    """Largest accepted increase of the share flagged as out of distribution, at the low end of its 95 % interval."""

    min_shared_images: int = Field(20, ge=1)
    """Smallest number of holdout images on which versions of a changed data set are compared."""

    min_first_gain: float = Field(0.0, ge=-1, lt=1)
    """Gain of a family's first version over chance and the majority class that it must exceed.

    It refers to the low end of the exact 95 % interval of the holdout accuracy. -1 accepts every version.
    """

    max_latency_ratio: float = Field(4.0, gt=0)
    """Largest accepted latency ratio of a more accurate model."""

    max_size_ratio: float = Field(4.0, gt=0)
    """Largest accepted size ratio of a more accurate model."""


VerdictName = Literal[
    "accuracy_floor",
    "gain",
    "non_inferiority",
    "cheaper",
    "corrupted_gain",
    "classes",
    "calibration",
    "corrupted_accuracy",
    "corrupted_flags",
    "latency",
    "size",
]
Ground = Literal[
    "significant_gain",
    "cheaper_and_not_inferior",
    "more_robust_and_not_inferior",
    "no_champion",
    "below_floor",
    "is_champion",
    "not_better",
    "worse_elsewhere",
    "not_comparable",
]


class Range(StrictModel):
    """Ends of a confidence interval."""

    low: float
    high: float


class Verdict(StrictModel):
    """Result of one check.

    `accuracy_floor` decides on the first version of a family. For later ones, `gain`, or `non_inferiority` with
    `cheaper` or `corrupted_gain`, lets a version pass, and each of the others can stop it.
    """

    name: VerdictName
    value: float | None = Field(description="null: not measured, which stops no version")
    interval: Range | None = Field(
        description="interval of the value, 95 % unless the sentence has another confidence; null if it has none"
    )
    limit: float | None = Field(
        description="limit of the value, or of the relevant end of its interval; null: not measured"
    )
    passed: bool
    sentence: str


class ClassVerdict(StrictModel):
    """Recall of one class for both versions."""

    label: str
    images: int
    candidate: float
    champion: float
    p: float = Field(description="one-sided p that the candidate is worse on the class, after Holm's correction")
    passed: bool


class HoldoutRecord(StrictModel):
    """Holdout images of a version. If the holdouts of two versions differ, `shared` describes the compared images."""

    name: str
    images: int
    class_names: tuple[str, ...]
    digest: str = Field(description="sha256 of the data set, its split, and the holdout's positions and labels")


class NewClass(StrictModel):
    """Results of a class that the champion does not know, on the candidate's holdout; not part of the comparison."""

    label: str
    images: int
    recall: float = Field(description="share of these images that the candidate classifies correctly")


class SharedHoldout(StrictModel):
    """Holdout images of the candidate on which versions of a changed data set are compared."""

    images: int = Field(description="compared images: of classes that both know, and not trained on by either")
    holdout: int = Field(description="holdout images of the candidate")
    trained_on: int = Field(description="images left out because one of the two was trained on them")
    not_predicted: int = Field(description="images left out because the champion has no predictions of them")
    new_classes: tuple[NewClass, ...]
    sentence: str


class Attempt(StrictModel):
    """Position of the candidate among the versions that were offered on its holdout, and its share of the budget."""

    number: int = Field(ge=1, description="1 for the second version of a family")
    level: float = Field(description="one-sided significance level of this attempt: budget / (number * (number + 1))")
    budget: float = Field(description="probability that any attempt on the holdout succeeds by chance")
    sentence: str


class Power(StrictModel):
    """Power of the comparison with the champion: gains that this number of images can show."""

    discordant_share: float = Field(description="share of the images that exactly one of the two gets right")
    detectable_gain: float | None = Field(
        description="smallest true gain in accuracy that passes with a probability of 80 %; null if none does"
    )
    images_for_gain: int | None = Field(
        description="number of holdout images at which a true gain equal to the measured one passes with a probability "
        "of 80 %; null without a gain"
    )
    sentence: str


class GateReport(StrictModel):
    """Decision of the gate on replacing `champion` by `candidate`, with its reasons."""

    family: FamilyName
    candidate: int
    champion: int | None
    passed: bool
    ground: Ground
    summary: str = Field(description="the decision and its reason, in one sentence")
    holdouts: dict[str, HoldoutRecord] = Field(description="by family@version; only versions that could be read")
    comparison: PairedComparison | None = Field(description="first: the candidate, second: the champion")
    verdicts: tuple[Verdict, ...]
    classes: tuple[ClassVerdict, ...]
    thresholds: GateThresholds
    shared: SharedHoldout | None = Field(
        None,
        description="images that were compared; null if both versions have the same holdout, or without a comparison",
    )
    attempt: Attempt | None = Field(None, description="share of the error budget; null without a comparison")
    power: Power | None = Field(None, description="null without a comparison")
    best_champion: int | None = Field(
        None, description="most accurate champion so far, which decides on non-inferiority; null without a comparison"
    )
    best_comparison: PairedComparison | None = Field(
        None, description="first: the candidate, second: `best_champion`; null if that is the champion"
    )

    @property
    def best_after(self) -> int | None:
        """Most accurate champion so far if the candidate becomes champion; None without a comparison."""
        comparison = self.best_comparison or self.comparison
        if comparison is None:
            return None
        return self.candidate if comparison.difference.value >= 0 else self.best_champion


def allowed_up_to(passed: bool) -> str:
    """Text before a limit."""
    return "within the limit of" if passed else "above the limit of"
