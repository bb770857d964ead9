"""How much accuracy two versions keep under each condition, side by side, level by level."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from core.records.base import ReportedData
from core.records.robustness import ConditionKind, Robustness, RobustnessDifference, compare_robustness
from core.repository.confidence_interval import ConfidenceInterval


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class RobustnessLevel(_Answer):
    """One condition at one level."""

    level: int = Field(description="higher is harder, from 1")
    setting: str = Field(description="what the level means")
    first: ConfidenceInterval = Field(description="accuracy of the first version")
    second: ConfidenceInterval


class RobustnessCondition(_Answer):
    """One condition, averaged over its levels, and each level by itself."""

    name: str
    kind: ConditionKind
    mean: RobustnessDifference
    levels: tuple[RobustnessLevel, ...] = Field(description="the easiest first")


class RobustnessComparison(_Answer):
    """Two versions on the same images, which were corrupted, moved, turned or attacked."""

    benchmark: str = Field(description="what the corruptions are, and are not")
    left_out: tuple[str, ...] = Field(description="corruptions of the benchmark that are missing, with the reason")
    data: ReportedData
    first_clean: ConfidenceInterval = Field(description="accuracy of the first version on these images as they are")
    second_clean: ConfidenceInterval
    all_corruptions: RobustnessDifference = Field(description="averaged over all corruptions and their levels")
    first_flag_rate: float | None = Field(
        None,
        description="share of the corrupted images that the first version flags as out of distribution, averaged over "
        "all corruptions and their levels; null: not measured",
    )
    second_flag_rate: float | None = None
    conditions: tuple[RobustnessCondition, ...]


def side_by_side(first: Robustness, second: Robustness) -> RobustnessComparison:
    """The records of two versions as one table of the conditions that both know.

    Raises:
        DifferentImagesError: they were measured on other data.
        DataError: on other images of it or by other chance, or there is no corruption that both know.
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
