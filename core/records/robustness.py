"""Robustness: record of a version under corruption, shift, rotation and attack, and comparison of two records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from core.errors import DataError, DifferentImagesError
from core.records.base import Bools, ReportedData, ReportedModel, pack_bits, unpack_bits
from core.repository.evaluation import StrangeImages
from core.repository.graph_records import Probability
from core.schemas.api import ResponseModel
from core.statistics.intervals import ConfidenceInterval, mean_estimate, mean_estimates, proportion
from core.strict_model import StrictModel

ConditionKind = Literal["clean", "noise", "blur", "weather", "digital", "shift", "rotation", "original", "fgsm"]
ConditionFigure = Literal["flag_rate", "mean_confidence", "ece", "coverage"]
CORRUPTION_KINDS: tuple[ConditionKind, ...] = ("noise", "blur", "weather", "digital")


class Condition(StrictModel):
    """Scores under one condition at one level; null: not measured."""

    name: str
    kind: ConditionKind
    level: int = Field(ge=0, description="higher is harder, from 1; 0 for unchanged images")
    setting: str = Field(description="meaning of the level")
    accuracy: ConfidenceInterval
    right: str = Field(description="packed bits in base64: correctly classified images")
    flag_rate: Probability | None = Field(None, description="share of images flagged as out of distribution")
    mean_confidence: Probability | None = Field(None, description="mean top probability")
    ece: Probability | None = Field(None, description="expected calibration error")
    coverage: Probability | None = Field(None, description="share of prediction sets with the true class")

    @classmethod
    def of(
        cls, name: str, kind: ConditionKind, level: int, setting: str, right_N: Bools, **figures: float
    ) -> Condition:
        """The condition from the correctly classified images `right_N`, bool [N], and other scores."""
        return cls(
            name=name,
            kind=kind,
            level=level,
            setting=setting,
            accuracy=proportion(int(right_N.sum()), len(right_N)),
            right=pack_bits(right_N),
            **figures,
        )


class MeanAccuracy(StrictModel):
    """Accuracy under one condition or all corruptions, averaged over levels."""

    name: str
    accuracy: ConfidenceInterval = Field(description="bootstrap over images")


class Robustness(StrictModel):
    """Scores of one version under all conditions."""

    schema_version: Literal[1] = 1
    model: ReportedModel
    data: ReportedData
    benchmark: str = Field(description="description of the corruptions")
    left_out: tuple[str, ...] = Field(description="corruptions of the benchmark that are missing, with the reason")
    seed: int = Field(description="seed of the corruptions")
    conditions: tuple[Condition, ...]
    strange: tuple[StrangeImages, ...] | None = Field(
        None, description="scores of out-of-distribution images, relative to unchanged images; null in older records"
    )

    def of_kind(self, *kinds: ConditionKind) -> tuple[Condition, ...]:
        """The conditions of these kinds."""
        return tuple(condition for condition in self.conditions if condition.kind in kinds)

    @property
    def clean(self) -> Condition:
        """The condition of unchanged images."""
        return self.of_kind("clean")[0]

    def mean_over_corruptions(self, figure: ConditionFigure) -> float | None:
        """A score averaged over all corruptions and levels; None if one of them lacks it."""
        values = [getattr(condition, figure) for condition in self.of_kind(*CORRUPTION_KINDS)]
        return None if not values or None in values else float(np.mean(values))

    def mean_over_levels(self, name: str, figure: ConditionFigure) -> float | None:
        """A score averaged over the levels of one condition; None if a level lacks it."""
        values = [getattr(condition, figure) for condition in self.named(name)]
        return None if not values or None in values else float(np.mean(values))

    def named(self, name: str) -> tuple[Condition, ...]:
        """The levels of one condition, easiest first."""
        return tuple(sorted((each for each in self.conditions if each.name == name), key=lambda each: each.level))


class RobustnessDifference(StrictModel):
    """Two versions under one condition, averaged over its levels."""

    name: str
    first: ConfidenceInterval
    second: ConfidenceInterval
    difference: ConfidenceInterval = Field(
        description="first minus second accuracy; bootstrap over images, for matched pairs"
    )
    kept_difference: ConfidenceInterval = Field(
        description="first minus second of the drop: accuracy here minus accuracy on unchanged images"
    )


def mean_accuracies(report: Robustness) -> tuple[MeanAccuracy, ...]:
    """Accuracy under each condition, averaged over levels; the first entry is over all corruptions."""
    return tuple(
        MeanAccuracy(name=name, accuracy=mean_estimate(_share_right(report, conditions)))
        for name, conditions in _groups(report).items()
    )


def compare_robustness(first: Robustness, second: Robustness) -> tuple[RobustnessDifference, ...]:
    """Differences under each shared condition and level; the first entry is over all shared corruptions.

    Raises:
        DifferentImagesError: they were measured on different data sets.
        DataError: images or seeds differ, or no corruption is shared.
    """
    if first.data.digest != second.data.digest:
        raise DifferentImagesError({one.model.reference: one.data.digest for one in (first, second)})
    if (first.data, first.seed) != (second.data, second.seed):
        names = " and ".join(one.model.reference for one in (first, second))
        raise DataError(
            f"{names} were measured on other images of the same data set, or with another seed: measure both again "
            "with `duet evaluate REF --robustness`"
        )
    first, second = _shared_levels(first, second), _shared_levels(second, first)
    if not first.of_kind(*CORRUPTION_KINDS):
        raise DataError(
            f"{first.model.reference} and {second.model.reference} were measured under different corruptions: measure "
            "both again with `duet evaluate --robustness`"
        )
    mine, theirs = _groups(first), _groups(second)
    clean_N = _share_right(first, [first.clean]) - _share_right(second, [second.clean])
    columns = []
    for name in mine:
        one_N, other_N = _share_right(first, mine[name]), _share_right(second, theirs[name])
        columns += [one_N, other_N, one_N - other_N, one_N - other_N - clean_N]
    estimates = iter(mean_estimates(np.stack(columns, axis=1)))
    return tuple(
        RobustnessDifference(
            name=name,
            first=next(estimates),
            second=next(estimates),
            difference=next(estimates),
            kept_difference=next(estimates),
        )
        for name in mine
    )


def _shared_levels(report: Robustness, other: Robustness) -> Robustness:
    """Copy of the record with only the levels of the other one, so that means are over the same levels."""
    levels = {(each.name, each.level) for each in other.conditions}
    shared = tuple(each for each in report.conditions if (each.name, each.level) in levels)
    return report.model_copy(update={"conditions": shared})


def _groups(report: Robustness) -> dict[str, Sequence[Condition]]:
    names = dict.fromkeys(condition.name for condition in report.conditions if condition.kind != "clean")
    return {"all corruptions": report.of_kind(*CORRUPTION_KINDS), **{name: report.named(name) for name in names}}


def _share_right(report: Robustness, conditions: Sequence[Condition]) -> npt.NDArray[np.float64]:
    """Share of the conditions under which each image is classified correctly, float64 [N]."""
    right = [unpack_bits(condition.right, report.data.images) for condition in conditions]
    return np.asarray(np.mean(right, axis=0), np.float64)


class RobustnessLevel(ResponseModel):
    """One condition at one level."""

    level: int = Field(description="higher is harder, from 1")
    setting: str = Field(description="meaning of the level")
    first: ConfidenceInterval = Field(description="accuracy of the first version")
    second: ConfidenceInterval


class ShiftFigures(ResponseModel):
    """Calibration, prediction sets and flags under one condition, averaged over its levels; null: not measured."""

    ece: float | None = Field(description="expected calibration error")
    coverage: float | None = Field(description="share of prediction sets with the true class")
    flag_rate: float | None = Field(description="share of images flagged as out of distribution")

    @classmethod
    def of(cls, report: Robustness, name: str) -> ShiftFigures:
        """The scores of one condition of a record."""
        return cls(
            ece=report.mean_over_levels(name, "ece"),
            coverage=report.mean_over_levels(name, "coverage"),
            flag_rate=report.mean_over_levels(name, "flag_rate"),
        )


class RobustnessCondition(ResponseModel):
    """One condition: mean over its levels, and each level."""

    name: str
    kind: ConditionKind
    mean: RobustnessDifference
    first_shift: ShiftFigures = Field(description="other scores of the first version, mean over the levels")
    second_shift: ShiftFigures
    levels: tuple[RobustnessLevel, ...] = Field(description="easiest first")


class RobustnessComparison(ResponseModel):
    """Accuracy of two versions on the same corrupted, shifted, rotated or attacked images."""

    benchmark: str = Field(description="description of the corruptions")
    left_out: tuple[str, ...] = Field(description="corruptions of the benchmark that are missing, with the reason")
    data: ReportedData
    first_clean: ConfidenceInterval = Field(description="accuracy of the first version on the unchanged images")
    second_clean: ConfidenceInterval
    all_corruptions: RobustnessDifference = Field(description="mean over all corruptions and levels")
    first_flag_rate: float | None = Field(
        None,
        description="share of the corrupted images that the first version flags as out of distribution, averaged over "
        "all corruptions and levels; null: not measured",
    )
    second_flag_rate: float | None = None
    conditions: tuple[RobustnessCondition, ...]


def side_by_side(first: Robustness, second: Robustness) -> RobustnessComparison:
    """One table of the conditions that both records have.

    Raises:
        DifferentImagesError: they were measured on different data sets.
        DataError: images or seeds differ, or no corruption is shared.
    """
    overall, *differences = compare_robustness(first, second)
    return RobustnessComparison(
        benchmark=first.benchmark,
        left_out=first.left_out,
        data=first.data,
        first_clean=first.clean.accuracy,
        second_clean=second.clean.accuracy,
        all_corruptions=overall,
        first_flag_rate=first.mean_over_corruptions("flag_rate"),
        second_flag_rate=second.mean_over_corruptions("flag_rate"),
        conditions=tuple(_condition(row, first, second) for row in differences),
    )


def _condition(mean: RobustnessDifference, first: Robustness, second: Robustness) -> RobustnessCondition:
    mine = first.named(mean.name)
    theirs = {condition.level: condition for condition in second.named(mean.name)}
    return RobustnessCondition(
        name=mean.name,
        kind=mine[0].kind,
        mean=mean,
        first_shift=ShiftFigures.of(first, mean.name),
        second_shift=ShiftFigures.of(second, mean.name),
        levels=tuple(
            RobustnessLevel(
                level=each.level,
                setting=each.setting,
                first=each.accuracy,
                second=theirs[each.level].accuracy,
            )
            for each in mine
            if each.level in theirs
        ),
    )
