"""Strengths and weaknesses of either version, and what follows from them in practice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from core.records.display_names import plain
from core.repository.confidence_interval import ConfidenceInterval
from training.analysis.report.findings import Findings, VersionResults
from training.analysis.report.words.comparison import winner
from training.analysis.report.words.costs import megabytes, minutes, same_machine, whole_time
from training.analysis.report.words.robustness import ALL, row_of
from training.analysis.report.words.style import counted, direction, factor, interval, listed, percent, points, turned

_WIDE = 1.1
"""Ratio from which two figures without an interval are said to differ."""


@dataclass(frozen=True)
class Difference:
    """Something in which one of the two is better.

    Attributes:
        sign: 1 where the first is better, -1 where the second is.
        strength: what it is for the better one.
        weakness: what it is for the other one.
    """

    sign: int
    strength: str
    weakness: str


def strengths(findings: Findings, side: VersionResults) -> list[str]:
    """What a version is better at than the other."""
    own = 1 if side is findings.first else -1
    return [each.strength for each in differences(findings) if each.sign == own]


def weaknesses(findings: Findings, side: VersionResults) -> list[str]:
    """What a version is worse at than the other."""
    own = 1 if side is findings.first else -1
    return [each.weakness for each in differences(findings) if each.sign == -own]


def differences(findings: Findings) -> list[Difference]:
    """Everything in which the two differ by more than chance, or, where there is no interval, by more than a tenth."""
    return [*_accuracy(findings), *_kept(findings), *_trust(findings), *_costs(findings)]


def implications(findings: Findings) -> list[str]:
    """What follows for whoever uses one of them."""
    return [*_choice(findings), *_conditions(findings), *_explained(findings)]


def limits(findings: Findings) -> list[str]:
    """What these figures do not say."""
    exploration = findings.exploration
    share = exploration.near_test_images / exploration.images["test"]
    told = [
        "Each version is one training run. Intervals speak of the luck of the images, not of that of the seed; "
        "`duet repeat` measures the latter.",
        f"{percent(share)} of the test images show nearly the same as a training image, so test figures may flatter "
        "both; they were left in, so that figures compare with published ones.",
        f"All images are of {exploration.name}, {exploration.width}x{exploration.height} pixels: of other pictures "
        "these figures say nothing.",
    ]
    seen = [side.name for side in findings.sides if "validation" in side.manifest.data.trained_on]
    if len(seen) == 1:
        told.append(f"The {seen[0]} was trained on the validation images as well, the other one was not.")
    teacher = [side for side in findings.sides if (side.manifest.config.get("distillation") or {}).get("teacher")]
    told += [
        f"The {side.name} learnt from the answers of {side.manifest.config['distillation']['teacher']}; what it owes "
        "to that cannot be told from these figures alone."
        for side in teacher
    ]
    return told


def _accuracy(findings: Findings) -> Iterator[Difference]:
    better, paired = winner(findings), findings.pairwise.paired
    if better is not None:
        gain = points(paired.difference if better[0] is findings.first else turned(paired.difference))
        yield Difference(
            1 if better[0] is findings.first else -1,
            f"more accurate on the test images, by {gain} points",
            f"less accurate on the test images: the {better[0].name} is ahead by {gain} points",
        )


def _kept(findings: Findings) -> Iterator[Difference]:
    """How accurate either is when images are corrupted, and what it keeps when they change or are attacked."""
    corrupted = row_of(findings, ALL)
    sign = direction(corrupted.difference)
    if sign:
        high, low = sorted((corrupted.first.value, corrupted.second.value), reverse=True)
        yield Difference(
            sign,
            f"more accurate under corruptions ({percent(high)} against {percent(low)} on average)",
            f"less accurate under corruptions ({percent(low)} against {percent(high)} on average)",
        )
    for name, words in ((ALL, "corruptions"), ("shift", "shifts"), ("rotation", "rotations"), ("fgsm", "FGSM")):
        row = row_of(findings, name)
        sign = direction(row.kept_difference)
        if sign:
            gap = points(row.kept_difference if sign > 0 else turned(row.kept_difference))
            means = [
                f"{side.name} {percent(mean.value)}"
                for side, mean in zip(findings.sides, (row.first, row.second), strict=True)
            ]
            left = f"on average left: {means[0]}, {means[1]}"
            yield Difference(
                sign,
                f"loses less of its accuracy under {words}, by {gap} points ({left})",
                f"loses more of its accuracy under {words}, by {gap} points ({left})",
            )


def _trust(findings: Findings) -> Iterator[Difference]:
    pairwise = findings.pairwise
    sign = -direction(pairwise.ece_difference)
    if sign:
        gap = points(pairwise.ece_difference if sign < 0 else turned(pairwise.ece_difference), 2)
        yield Difference(
            sign,
            f"better calibrated: its calibration error is lower by {gap} points",
            f"less well calibrated: its calibration error is higher by {gap} points",
        )
    sizes = [side.scores.prediction_sets.mean_size for side in findings.sides]
    promises = {side.scores.prediction_sets.target for side in findings.sides}
    if len(promises) == 1 and max(sizes) >= _WIDE * min(sizes):
        told = f"{min(sizes):.2f} classes on average against {max(sizes):.2f}"
        yield Difference(
            1 if sizes[0] < sizes[1] else -1,
            f"prediction sets are smaller for the same promise ({told})",
            f"prediction sets are larger for the same promise ({max(sizes):.2f} classes on average against "
            f"{min(sizes):.2f})",
        )
    sure = [side.mistakes.confidence.sure_of_wrong for side in findings.sides]
    if sure[0] is not None and sure[1] is not None and _apart(sure[0], sure[1]):
        low, high = sorted(sure, key=lambda each: 0.0 if each is None else each.value)
        if low is not None and high is not None:
            told = f"{interval(low)} of the wrong answers come with 90% or more, against {interval(high)}"
            yield Difference(
                1 if low is sure[0] else -1,
                f"more seldom sure where it is wrong: {told}",
                f"more often sure where it is wrong: {interval(high)} of its wrong answers come with 90% or more, "
                f"against {interval(low)}",
            )


def _costs(findings: Findings) -> Iterator[Difference]:
    first, second = findings.sides
    timings = [side.latency.of("fp32", 1) for side in findings.sides]
    if timings[0] is not None and timings[1] is not None and _apart(timings[0].ms, timings[1].ms):
        low, high = sorted(timing.ms.value for timing in timings if timing is not None)
        times = factor(high / low)
        yield Difference(
            1 if timings[0].ms.value == low else -1,
            f"{times} times as fast on one thread ({low:.2f} against {high:.2f} ms for an image)",
            f"takes {times} times as long on one thread ({high:.2f} against {low:.2f} ms for an image)",
        )
    costs = (first.manifest.cost, second.manifest.cost)
    for values, better, worse, said in (
        (
            [cost.macs for cost in costs],
            "needs fewer multiplications",
            "needs more multiplications",
            lambda side: f"{side.manifest.cost.macs / 1e6:.1f} M",
        ),
        (
            [side.served_bytes for side in findings.sides],
            "smaller",
            "larger",
            lambda side: megabytes(side.served_bytes),
        ),
        ([cost.total_seconds for cost in costs], "trained in less time", "took longer to train", minutes),
    ):
        if max(values) >= _WIDE * min(values):
            small, large = (first, second) if values[0] < values[1] else (second, first)
            if said is minutes and not (whole_time(small) and same_machine(first, second)):
                continue  # with what is not known of it, or on the other's machine, it may have taken longer
            yield Difference(
                1 if small is first else -1,
                f"{better}: {said(small)} against {said(large)}",
                f"{worse}: {said(large)} against {said(small)}",
            )


def _choice(findings: Findings) -> Iterator[str]:
    better = winner(findings)
    timings = [side.latency.of("fp32", 1) for side in findings.sides]
    together = findings.together
    if better is None:
        yield "Accuracy does not decide between the two; cost and robustness do."
    else:
        good, bad = better
        wrong = [1 - side.scores.accuracy.value for side in better]
        worth = (
            f"for every {counted(10)} mistakes of it, the {bad.name} makes {10 * wrong[1] / wrong[0]:.0f} (derived)"
            if wrong[0]
            else f"it makes no mistake on the test images, the {bad.name} one on {percent(wrong[1])} of them (derived)"
        )
        yield f"Where being right matters, serve the {good.name}: {worth}."
        cheap = [timing.ms.value for timing in timings if timing is not None]
        if len(cheap) == 2:
            of_good, of_bad = cheap if good is findings.first else cheap[::-1]
            if of_bad < of_good:
                yield (
                    f"The {bad.name} is for where time per image is what is scarce and a wrong answer is cheap: "
                    "sorting beforehand, rough counts, small processors. On one thread it answers "
                    f"{1000 / of_bad:,.0f} images a second, the {good.name} {1000 / of_good:,.0f} (derived)."
                )
            else:
                yield f"The {bad.name} is not even cheaper to run: these figures give no reason to serve it alone."
        sure = together.first_right_when_sure if good is findings.first else together.second_right_when_sure
        if together.right_when_agreed is not None and sure is not None:
            yield _doubt(good.name, together.agree.value, together.right_when_agreed, sure)
    lists = [
        f"those of the {side.name} hold the true class for {percent(sets.coverage.value)} of images like these, in "
        f"{sets.mean_size:.1f} classes on average"
        for side in findings.sides
        for sets in [side.scores.prediction_sets]
    ]
    yield f"Where a short list is of use, show the prediction sets: {listed(lists)}."


def _doubt(better: str, agree: float, agreed: ConfidenceInterval, sure: ConfidenceInterval) -> str:
    """Which answers a person should look at: those the two disagree on, or those the better one is not sure of."""
    told = (
        f"where both agree, on {percent(agree)} of the images, {interval(agreed)} of the answers are right, and of as "
        f"many answers that the {better} is surest of {interval(sure)}"
    )
    if sure.low > agreed.high:
        return (
            f"To find the answers that a person should look at, asking both is not worth its cost: {told}. The "
            f"{better}'s own probability is the better sign."
        )
    if agreed.low > sure.high:
        return f"To find the answers that a person should look at, ask both: {told}. Disagreement is the better sign."
    return f"To find the answers that a person should look at, asking both is no clear gain: {told}."


def _conditions(findings: Findings) -> Iterator[str]:
    row = row_of(findings, ALL)
    means = (row.first, row.second)
    told = [
        f"the {side.name} {percent(mean.value)} instead of {percent(side.robustness.clean.accuracy.value)}"
        for side, mean in zip(findings.sides, means, strict=True)
    ]
    yield (
        f"Pictures from a worse camera, worse weather or a worse connection cost accuracy: averaged over the "
        f"corruptions, expect {listed(told)}. Measure on pictures of your own before you rely on either."
    )
    shift = row_of(findings, "shift")
    sign = direction(shift.kept_difference)
    if sign:
        weak, strong = (findings.second, findings.first) if sign > 0 else (findings.first, findings.second)
        yield (
            f"Cut pictures out with care for the {weak.name}: shifts of a few pixels cost it "
            f"{points(shift.kept_difference if sign > 0 else turned(shift.kept_difference))} points more than the "
            f"{strong.name}."
        )
    left = [side.robustness.named("fgsm") for side in findings.sides]
    fooled = [
        f"{side.name} {percent(levels[-1].accuracy.value)}"
        for side, levels in zip(findings.sides, left, strict=True)
        if levels[-1].accuracy.high < side.robustness.clean.accuracy.low
    ]
    if len(fooled) == 2:
        yield (
            f"Neither is for where somebody gains by fooling it: one step of FGSM of {left[0][-1].setting} "
            f"leaves {listed(fooled)} of the images right. Stronger attacks were not tried."
        )


def _explained(findings: Findings) -> Iterator[str]:
    for side in findings.sides:
        methods = side.explanations.methods
        good = [plain(each.method) for each in methods if not each.failed]
        bad = [plain(each.method) for each in methods if each.failed]
        if bad and good:
            yield f"To explain the {side.name}, show {listed(good)}; {listed(bad)} did not pass."
        elif bad:
            yield f"None of the explanations of the {side.name} passed every check: say so where you show them."
        elif good:
            yield f"To explain the {side.name}, show any of {listed(good)}: all passed every check."


def _apart(first: ConfidenceInterval, second: ConfidenceInterval) -> bool:
    return first.high < second.low or second.high < first.low
