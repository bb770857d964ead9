"""Robustness of a version: accuracy, flag rate and calibration when images are corrupted, moved, turned or attacked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from core.errors import DataError, DifferentImagesError
from core.records.base import Bools, Record, ReportedData, ReportedModel, pack_bits, unpack_bits
from core.repository.confidence_interval import ConfidenceInterval
from core.repository.manifest import Probability
from core.statistics.proportions import proportion
from core.statistics.resampling import mean_estimate, mean_estimates

ConditionKind = Literal["clean", "noise", "blur", "weather", "digital", "shift", "rotation", "fgsm"]
ConditionFigure = Literal["flag_rate", "mean_confidence", "ece", "coverage"]
CORRUPTION_KINDS: tuple[ConditionKind, ...] = ("noise", "blur", "weather", "digital")


class Condition(Record):
    """One way to change the images, at one level; figures that are null were not measured."""

    name: str
    kind: ConditionKind
    level: int = Field(ge=0, description="higher is harder, from 1; 0 of the images as they are")
    setting: str = Field(description="what the level means")
    accuracy: ConfidenceInterval
    right: str = Field(description="which images were answered right: a bit each, packed, in base64")
    flag_rate: Probability | None = Field(None, description="share of images flagged as out of distribution")
    mean_confidence: Probability | None = Field(None, description="mean probability of the answer")
    ece: Probability | None = Field(None, description="expected calibration error")
    coverage: Probability | None = Field(None, description="share of prediction sets that hold the true class")

    @classmethod
    def of(
        cls, name: str, kind: ConditionKind, level: int, setting: str, right_N: Bools, **figures: float
    ) -> Condition:
        """The condition under which `right_N`, bool [N], of the images were answered right, with further figures."""
        return cls(
            name=name,
            kind=kind,
            level=level,
            setting=setting,
            accuracy=proportion(int(right_N.sum()), len(right_N)),
            right=pack_bits(right_N),
            **figures,
        )

    def answered_right(self, images: int) -> Bools:
        """Which images were answered right, bool [images], in the order of the data."""
        return unpack_bits(self.right, images)


class MeanAccuracy(Record):
    """Accuracy under one condition, or all of a kind, averaged over the levels."""

    name: str
    accuracy: ConfidenceInterval = Field(description="bootstrap over images")


class Robustness(Record):
    """One version under all conditions."""

    schema_version: Literal[1] = 1
    model: ReportedModel
    data: ReportedData
    benchmark: str = Field(description="what the corruptions are, and are not")
    left_out: tuple[str, ...] = Field(description="corruptions of the benchmark that are missing, with the reason")
    seed: int = Field(description="of the corruptions' chance")
    conditions: tuple[Condition, ...]

    def of_kind(self, *kinds: ConditionKind) -> tuple[Condition, ...]:
        """The conditions of these kinds."""
        return tuple(condition for condition in self.conditions if condition.kind in kinds)

    @property
    def clean(self) -> Condition:
        """The images as they are."""
        return self.of_kind("clean")[0]

    def mean_over_corruptions(self, figure: ConditionFigure) -> float | None:
        """A figure averaged over all corruptions and their levels; None where one of them lacks it."""
        values = [getattr(condition, figure) for condition in self.of_kind(*CORRUPTION_KINDS)]
        return None if not values or None in values else float(np.mean(values))

    def named(self, name: str) -> tuple[Condition, ...]:
        """The levels of one condition, the easiest first."""
        return tuple(sorted((each for each in self.conditions if each.name == name), key=lambda each: each.level))


class RobustnessDifference(Record):
    """Two versions under one condition, averaged over its levels."""

    name: str
    first: ConfidenceInterval
    second: ConfidenceInterval
    difference: ConfidenceInterval = Field(
        description="first minus second accuracy; bootstrap over images, for matched pairs"
    )
    kept_difference: ConfidenceInterval = Field(
        description="first minus second of the drop: accuracy here less accuracy on the images as they are"
    )


def mean_accuracies(report: Robustness) -> tuple[MeanAccuracy, ...]:
    """Accuracy under each condition, averaged over its levels, and first over all corruptions."""
    return tuple(
        MeanAccuracy(name=name, accuracy=mean_estimate(_share_right(report, conditions)))
        for name, conditions in _groups(report).items()
    )


def compare_robustness(first: Robustness, second: Robustness) -> tuple[RobustnessDifference, ...]:
    """Two versions under each condition that both know, level by level, and first under all those corruptions.

    Raises:
        DifferentImagesError: they were measured on other data.
        DataError: on other images of it or by other chance, or there is no corruption that both know.
    """
    if first.data.digest != second.data.digest:
        raise DifferentImagesError(first.data.digest, second.data.digest)
    if (first.data, first.seed) != (second.data, second.seed):
        names = " and ".join(one.model.reference for one in (first, second))
        raise DataError(
            f"{names} were measured on other images of the same data, or corrupted by other chance: measure both again "
            "with `duet evaluate REF --robustness`"
        )
    first, second = _as_known(first, second), _as_known(second, first)
    if not first.of_kind(*CORRUPTION_KINDS):
        raise DataError(
            f"{first.model.reference} and {second.model.reference} were measured under different corruptions; measure "
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


def _as_known(report: Robustness, other: Robustness) -> Robustness:
    """The record without the levels that the other one has not: two means are compared only over the same ones."""
    known = {(each.name, each.level) for each in other.conditions}
    shared = tuple(each for each in report.conditions if (each.name, each.level) in known)
    return report.model_copy(update={"conditions": shared})


def _groups(report: Robustness) -> dict[str, Sequence[Condition]]:
    names = dict.fromkeys(condition.name for condition in report.conditions if condition.kind != "clean")
    return {"all corruptions": report.of_kind(*CORRUPTION_KINDS), **{name: report.named(name) for name in names}}


def _share_right(report: Robustness, conditions: Sequence[Condition]) -> npt.NDArray[np.float64]:
    """Of each image, under what share of the conditions it was answered right."""
    right = [condition.answered_right(report.data.images) for condition in conditions]
    return np.asarray(np.mean(right, axis=0), np.float64)
