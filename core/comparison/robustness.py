"""Robustness comparison of two versions by condition and level."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from core.records.base import ReportedData
from core.records.robustness import ConditionKind, Robustness, RobustnessDifference, compare_robustness
from core.repository.confidence_interval import ConfidenceInterval


class _Schema(BaseModel):
    model_config = ConfigDict(frozen=True)


class RobustnessLevel(_Schema):
    """One condition at one level."""

    level: int = Field(description="higher is harder, from 1")
    setting: str = Field(description="meaning of the level")
    first: ConfidenceInterval = Field(description="accuracy of the first version")
    second: ConfidenceInterval


class RobustnessCondition(_Schema):
    """One condition: mean over its levels, and each level."""

    name: str
    kind: ConditionKind
    mean: RobustnessDifference
    levels: tuple[RobustnessLevel, ...] = Field(description="easiest first")


class RobustnessComparison(_Schema):
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
