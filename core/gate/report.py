"""What the gate found, as data that programs decide by and sentences that people read."""

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
    """One thing that was looked at.

    `gain`, or `non_inferiority` together with `cheaper`, is what lets a version pass; each of the others can stop it.
    """

    name: VerdictName
    value: float | None = Field(description="null: not measured, which stops no version")
    interval: Range | None = Field(description="95 % interval of the value, where it has one")
    limit: float | None = Field(
        description="what the value, or the end of its interval that counts, is held against; null: not measured"
    )
    passed: bool
    sentence: str


class ClassVerdict(_Record):
    """How one class fares: shares of its images that are recognised."""

    label: str
    images: int
    candidate: float
    champion: float
    p: float = Field(description="one-sided p that the candidate is worse on it, after Holm's correction")
    passed: bool


class HoldoutRecord(_Record):
    """Which images a version was judged on; two versions can be compared where these agree."""

    name: str
    images: int
    class_names: tuple[str, ...]
    digest: str = Field(description="sha256 over the data set, its division, and the holdout's positions and labels")


class GateReport(_Record):
    """May `candidate` replace `champion`, and why?"""

    family: FamilyName
    candidate: int
    champion: int | None
    passed: bool
    ground: Ground
    summary: str = Field(description="the decision and its reason, in one sentence")
    holdouts: dict[str, HoldoutRecord] = Field(description="by family@version, those that could be read")
    comparison: PairedComparison | None = Field(description="first: the candidate, second: the champion")
    verdicts: tuple[Verdict, ...]
    classes: tuple[ClassVerdict, ...]
    thresholds: GateThresholds

    @property
    def sentences(self) -> tuple[str, ...]:
        """The decision, then what it rests on."""
        return (self.summary, *(verdict.sentence for verdict in self.verdicts))

    def verdict(self, name: VerdictName) -> Verdict:
        """One of the verdicts.

        Raises:
            KeyError: the report has none of this name, because nothing was compared.
        """
        for verdict in self.verdicts:
            if verdict.name == name:
                return verdict
        raise KeyError(name)


def allowed_up_to(passed: bool) -> str:
    """The words before a limit."""
    return "allowed is up to" if passed else "too much, allowed is up to"
