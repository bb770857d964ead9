"""Significance verdict: the accuracy difference of two versions in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from core.comparison.pairwise import SIGNIFICANCE, ClassDifference, Pairwise
from core.schemas.api import ResponseModel

Verdict = Literal["first_better", "second_better", "not_distinguishable"]
_MIN_P = 1e-4
_MAX_NAMES = 4


class Significance(ResponseModel):
    """Significance of the difference in accuracy, as a value for programs and sentences for people."""

    verdict: Verdict = Field(description="by McNemar's exact test, at 0.05")
    better: str | None = Field(description="the more accurate version; null if not distinguishable")
    headline: str = Field(description="the verdict in a few words")
    sentence: str = Field(description="the verdict with accuracy, interval, p, and number of different classes")
    first_better_classes: tuple[str, ...] = Field(
        description="classes that the first version recognizes better after Holm's correction"
    )
    second_better_classes: tuple[str, ...] = Field(description="as `first_better_classes`")


def significance(first: str, second: str, pairwise: Pairwise) -> Significance:
    """Describe the result of `pairwise` in words; `first` and `second` are names such as cnn@2."""
    verdict = _verdict(pairwise)
    first_better = tuple(row.label for row in pairwise.per_class if row.significant and row.difference.value > 0)
    second_better = tuple(row.label for row in pairwise.per_class if row.significant and row.difference.value < 0)
    sides = [(first, first_better), (second, second_better)]
    if verdict == "second_better":
        sides.reverse()
    classes = _classes(sides, pairwise.per_class)
    return Significance(
        verdict=verdict,
        better={"first_better": first, "second_better": second}.get(verdict),
        headline=_headline(first, second, verdict, pairwise),
        sentence=f"{_accuracy(first, second, verdict, pairwise)} {classes}",
        first_better_classes=first_better,
        second_better_classes=second_better,
    )


def _verdict(pairwise: Pairwise) -> Verdict:
    paired = pairwise.paired
    if paired.mcnemar_p >= SIGNIFICANCE:
        return "not_distinguishable"
    return "first_better" if paired.difference.value > 0 else "second_better"


def _headline(first: str, second: str, verdict: Verdict, pairwise: Pairwise) -> str:
    if verdict == "first_better":
        return f"{first} is more accurate than {second}"
    if verdict == "second_better":
        return f"{second} is more accurate than {first}"
    if pairwise.paired.agreement == 1:
        return f"{first} and {second} make the same predictions"
    return f"{first} and {second} do not differ significantly in accuracy"


def _accuracy(first: str, second: str, verdict: Verdict, pairwise: Pairwise) -> str:
    paired, data = pairwise.paired, pairwise.data
    images = f"the same {data.images:,} {data.split} images of {data.name}"
    if paired.agreement == 1:
        return f"{first} and {second} make the same prediction for each of {images}: {_correct(paired.both_right)}."
    swapped = verdict == "second_better"
    shares = paired.first_accuracy, paired.second_accuracy
    better, worse = reversed(shares) if swapped else shares
    sign = -1 if swapped else 1
    ends = sorted((sign * paired.difference.low, sign * paired.difference.high))
    return (
        f"{_headline(first, second, verdict, pairwise)} on {images}: {_percent(better)} against {_percent(worse)}, "
        f"a difference of {_points(sign * paired.difference.value)} points (95 % interval {_points(ends[0])} to "
        f"{_points(ends[1])}; McNemar's exact test: {_p(paired.mcnemar_p)})."
    )


def _classes(sides: Sequence[tuple[str, tuple[str, ...]]], rows: Sequence[ClassDifference]) -> str:
    """Number of classes that each side recognizes better; the better side comes first."""
    if not any(labels for _, labels in sides):
        return f"After Holm's correction none of the {len(rows)} classes differs significantly."
    (leader, ahead), (other, behind) = sorted(sides, key=lambda side: not side[1])
    if not behind and len(ahead) == len(rows):
        return f"After Holm's correction {leader} recognizes each of the {len(rows)} classes better."
    counted = f"{leader} recognizes {_named(ahead)} of {len(rows)} classes better"
    if behind:
        counted += f" and {other} {_named(behind)}"
    left = len(rows) - len(ahead) - len(behind)
    if left:
        counted += f"; {left} {'does' if left == 1 else 'do'} not differ significantly"
    return f"After Holm's correction {counted}."


def _named(labels: tuple[str, ...]) -> str:
    return f"{len(labels)} ({', '.join(labels)})" if len(labels) <= _MAX_NAMES else str(len(labels))


def _correct(images: int) -> str:
    return f"{images:,} {'is' if images == 1 else 'are'} correct"


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def _points(share: float) -> str:
    return f"{round(100 * share, 2) + 0.0:.2f}"  # no sign for a rounded zero


def _p(p: float) -> str:
    return "p < 0.0001" if p < _MIN_P else f"p = {p:.3g}"
