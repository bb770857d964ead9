"""Gate report schema: verdicts as data for programs and sentences for people."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from core.gate.thresholds import GateThresholds
from core.repository.manifest import FamilyName
from core.statistics.comparison import PairedComparison

VerdictName = Literal[
    "gain",
    "non_inferiority",
    "cheaper",
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
    "no_champion",
    "is_champion",
    "not_better",
    "worse_elsewhere",
    "not_comparable",
]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Range(_Record):
    """A 95 % interval."""

    low: float
    high: float


class Verdict(_Record):
    """Result of one check.

    `gain`, or `non_inferiority` with `cheaper`, lets a version pass; each of the others can stop it.
    """

    name: VerdictName
    value: float | None = Field(description="null: not measured, which stops no version")
    interval: Range | None = Field(description="95 % interval of the value; null if it has none")
    limit: float | None = Field(
        description="limit of the value, or of the relevant end of its interval; null: not measured"
    )
    passed: bool
    sentence: str


class ClassVerdict(_Record):
    """Recall of one class for both versions."""

    label: str
    images: int
    candidate: float
    champion: float
    p: float = Field(description="one-sided p that the candidate is worse on the class, after Holm's correction")
    passed: bool


class HoldoutRecord(_Record):
    """Holdout images of a version; two versions can be compared if these are equal."""

    name: str
    images: int
    class_names: tuple[str, ...]
    digest: str = Field(description="sha256 of the data set, its split, and the holdout's positions and labels")


class GateReport(_Record):
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

    @property
    def sentences(self) -> tuple[str, ...]:
        """The decision, then its reasons."""
        return (self.summary, *(verdict.sentence for verdict in self.verdicts))

    def verdict(self, name: VerdictName) -> Verdict:
        """The verdict called `name`.

        Raises:
            KeyError: the report has no such verdict, because nothing was compared.
        """
        for verdict in self.verdicts:
            if verdict.name == name:
                return verdict
        raise KeyError(name)


def allowed_up_to(passed: bool) -> str:
    """Text before a limit."""
    return "within the limit of" if passed else "above the limit of"
