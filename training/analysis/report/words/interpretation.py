"""Which explanations hold what they promise, and what excites the networks."""

from __future__ import annotations

from core.records.activations import ModelActivations
from core.records.display_names import plain
from core.records.explanations import CheckName, Explanations, MethodEvaluation
from core.statistics.proportions import difference_of_proportions, proportion
from training.analysis.interpret.evaluate import DISTURBED, QUICK_DISTURBED
from training.analysis.report.findings import Findings, VersionResults
from training.analysis.report.words.style import (
    counted,
    direction,
    interval,
    listed,
    number,
    points,
    sentence,
    signed,
    turned,
)

_FAILURES: dict[CheckName, str] = {
    "deletion": "taking out the pixels it names does not lower the probability faster than with the map moved",
    "insertion": "putting in the pixels it names does not raise the probability faster than with the map moved",
    "randomisation": "its maps stay much the same when the network's weights are replaced by fresh ones",
}
_UNDECIDED: dict[CheckName, str] = {
    "deletion": "taking out the pixels it names is not shown to lower the probability faster than with the map moved",
    "insertion": "putting in the pixels it names is not shown to raise the probability faster than with the map moved",
    "randomisation": "its maps are not shown to change enough when the network's weights are replaced by fresh ones",
}
COPY = 0.8
"""Similarity from which one would call an image a copy of another; see `near_duplicates`."""


def measured(findings: Findings) -> str:
    """On how many images the methods were measured."""
    few = QUICK_DISTURBED if findings.quick else DISTURBED
    return (
        f"Measured on {findings.first.explanations.data.images} test images, sensitivity and randomization, which "
        f"explain each of them many times, on {few} of those."
    )


def rule(findings: Findings) -> str:
    """When a check is passed, failed, or neither."""
    limit = findings.first.explanations.settings["most_correlation"]
    return (
        f"To pass a check, the whole 95% interval must lie on the right side of its limit: above 0 for both gains, at "
        f"or below {limit:g} for the likeness. Where all of it lies on the other side, the method fails; where it lies "
        "on both, the method is not shown to pass, which does not show that it fails."
    )


def verdict(explanations: Explanations, method: MethodEvaluation) -> str:
    """A cell of the table: passes, or which checks the method fails and which it is not shown to pass."""
    if not method.images:
        return "**fails**: every map is flat"
    failed, undecided = _not_passed(explanations, method)
    told = [f"**fails** {listed(failed)}"] if failed else []
    told += [f"not shown to pass {listed(undecided)}"] if undecided else []
    return "; ".join(told) or "passes"


def cells(method: MethodEvaluation) -> list[str]:
    """The figures of a row of the table."""
    last = method.cascade[-1].correlation if method.cascade else None
    return [
        "" if method.deletion_gain is None else signed(method.deletion_gain, 2),
        "" if method.insertion_gain is None else signed(method.insertion_gain, 2),
        "" if method.sensitivity is None else number(method.sensitivity, 2),
        "" if last is None else number(last, 2),
    ]


def passing(side: VersionResults) -> str:
    """Which methods pass all checks for a version."""
    methods = side.explanations.methods
    good = [plain(each.method) for each in methods if not each.failed]
    if len(good) == len(methods):
        return f"For the {side.name} all {counted(len(methods))} methods pass every check."
    if not good:
        return f"For the {side.name} no method passes every check."
    return f"For the {side.name}, {listed(good)} {'pass' if len(good) > 1 else 'passes'} every check."


def failing(side: VersionResults) -> list[str]:
    """One sentence for each method that does not pass, with the figures that decide or do not."""
    told = []
    for method in side.explanations.methods:
        failed, undecided = _not_passed(side.explanations, method)
        if not method.images:
            told.append(f"{sentence(plain(method.method))} fails for the {side.name}: every map is flat.")
        elif method.failed:
            reasons = {check.name: check.reason.replace(" %", "%") for check in method.checks}
            why = [f"{_FAILURES[name]} ({reasons[name]})" for name in failed]
            why += [f"{_UNDECIDED[name]} ({reasons[name]})" for name in undecided]
            verb = "fails" if failed else "is not shown to pass"
            told.append(f"{sentence(plain(method.method))} {verb} for the {side.name}: {'; '.join(why)}.")
    return told


def flat(side: VersionResults) -> str:
    """Maps that say nothing; empty where there is none."""
    found = [f"{each.flat} of {plain(each.method)}" for each in side.explanations.methods if each.flat]
    return f"Flat maps of the {side.name}, which say nothing and are left out: {listed(found)}." if found else ""


def best(side: VersionResults) -> str:
    """The methods that find the pixels that matter best, by insertion; empty where none passes all checks."""
    gains = {
        plain(each.method): each.insertion_gain
        for each in side.explanations.methods
        if not each.failed and each.insertion_gain is not None
    }
    if not gains:
        return ""
    most = signed(max(gains.values(), key=lambda gain: gain.value), 2)
    first = [name for name, gain in gains.items() if signed(gain, 2) == most]
    verb = "gains" if len(first) == 1 else "gain"
    return f"Of those that pass, {listed(first)} {verb} most over chance by insertion ({most})."


def recognised(made: ModelActivations, name: str, other: str) -> str:
    """Whether the images made for a version's classes are recognized, by itself and by the other version."""
    classes = [image for image in made.images if image.kind == "class"]
    nearest = max(classes, key=lambda image: image.nearest.similarity)
    copies = sum(image.nearest.similarity >= COPY for image in classes)
    copied = (
        "none of them is a copy of a training image"
        if not copies
        else f"{counted(copies)} of them {'is' if copies == 1 else 'are'} close to a copy of a training image"
    )
    own, theirs = (proportion(round(share * len(classes)), len(classes)) for share in (made.recognised, made.transfer))
    return (
        f"Of the {len(classes)} images made for classes of the {name}, it takes {interval(own, 0)} for the class they "
        f"were made for, and the {other} {interval(theirs, 0)}; {copied} (largest similarity "
        f"{nearest.nearest.similarity:.2f}, {COPY:g} would be one)."
    )


def transfer(findings: Findings) -> str:
    """Whose images mean more to the other network."""
    first, second = findings.first, findings.second
    counts = []
    for made in (first.activations, second.activations):
        classes = sum(image.kind == "class" for image in made.images)
        counts.append((round(made.transfer * classes), classes))
    difference = difference_of_proportions(*counts)
    sign = direction(difference)
    if sign == 0:
        return f"Whose images mean more to the other network cannot be told ({points(difference, 0)} points)."
    more, less = (first, second) if sign > 0 else (second, first)
    return (
        f"Images made for the {more.name} are recognized more often by the {less.name} than the other way round (by "
        f"{points(difference if sign > 0 else turned(difference), 0)} points)."
    )


def _not_passed(
    explanations: Explanations, method: MethodEvaluation
) -> tuple[tuple[CheckName, ...], tuple[CheckName, ...]]:
    """The checks that a method fails, and those that its intervals do not decide."""
    undecided = explanations.undecided(method)
    return tuple(name for name in method.failed if name not in undecided), undecided
