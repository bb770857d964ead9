"""Where the two go wrong, how surely, and whether together."""

from __future__ import annotations

from core.records.display_names import plain
from core.records.mistakes import Pattern, PropertyName
from training.analysis.report.findings import Findings, VersionResults
from training.analysis.report.words.style import clauses, direction, interval, listed, percent, points, sentence

_MORE: dict[PropertyName, str] = {
    "brightness": "brighter images",
    "contrast": "images of higher contrast",
    "edges": "images with more edges",
    "off_centre": "images whose saliency lies further off the middle",
    "similarity": "images more like a training image",
}


def shared(findings: Findings) -> str:
    """Whether mistakes are shared more often than chance would have it."""
    overlap, first, second = findings.mistakes.overlap, findings.first, findings.second
    both, alone = overlap.both, overlap.both_if_independent
    said = "more than" if both.low > alone else "less than" if both.high < alone else "about as much as"
    same = (
        ""
        if overlap.same_answer is None
        else f", with the same wrong answer in {interval(overlap.same_answer)} of those"
    )
    return (
        f"Only the {first.name} is wrong on {interval(overlap.only_first)} of the images, only the {second.name} on "
        f"{interval(overlap.only_second)}, and both on {interval(overlap.both)}{same}. If mistakes had nothing to do "
        f"with each other, both would be wrong on {percent(alone)} (derived): they share {said} that."
    )


def hardest(side: VersionResults) -> str:
    """The hardest classes and the most frequent confusions of a version."""
    classes = listed([f"{row.label} ({interval(row.error)})" for row in side.mistakes.classes[:3]])
    pairs = listed([f"{row.label} for {row.answer} ({interval(row.rate)})" for row in side.mistakes.confusions[:3]])
    told = f"The {side.name} is most often wrong on {classes}."
    return told + (f" Of all pairs it most often takes {pairs}; shares are of the true class." if pairs else "")


def confidence(side: VersionResults) -> str:
    """How sure wrong answers are."""
    found = side.mistakes.confidence
    if found.wrong is None or found.right is None or found.sure_of_wrong is None:
        return f"All answers of the {side.name} are alike, right or wrong."
    return (
        f"Where the {side.name} is wrong it gives its answer {percent(found.wrong.value)} on average, where it is "
        f"right {percent(found.right.value)}; {interval(found.sure_of_wrong)} of its wrong answers come with 90% or "
        "more."
    )


def patterns(side: VersionResults) -> str:
    """Which properties of images go with mistakes."""
    more = [each for each in side.mistakes.patterns if direction(each.trend) > 0]
    less = [each for each in side.mistakes.patterns if direction(each.trend) < 0]
    none = [each for each in side.mistakes.patterns if direction(each.trend) == 0]
    told = clauses(
        ("is wrong more often on {}", [_told(each) for each in more]),
        ("is wrong less often on {}", [_told(each) for each in less]),
        ("shows no clear trend with {}", [plain(each.name) for each in none]),
        link="; it ",
    )
    return f"The {side.name} {told}."


def candidates(findings: Findings) -> str:
    """How many labels both contradict."""
    found = findings.mistakes.label_candidates
    if not found:
        return "There is no image on which both contradict the label with 90% or more."
    return (
        f"On {len(found)} images both say the same against the label, each with 90% or more. These are candidates for "
        "label errors, which nobody has looked at; some are surely hard images with the right label."
    )


def strongest(side: VersionResults) -> str:
    """The property that tells wrong from right answers best."""
    known = [each for each in side.mistakes.patterns if each.separation is not None]
    if not known:
        return ""
    first = max(known, key=lambda each: abs(_separation(each) - 0.5))
    return sentence(
        f"{plain(first.name)} tells wrong from right answers of the {side.name} best, and not well: an image answered "
        f"wrong has more of it than one answered right with probability {_separation(first):.2f} (0.5 is chance)."
        if abs(_separation(first) - 0.5) < 0.2
        else f"{plain(first.name)} tells wrong from right answers of the {side.name} best: an image answered wrong has "
        f"more of it than one answered right with probability {_separation(first):.2f} (0.5 is chance)."
    )


def _told(pattern: Pattern) -> str:
    return f"{_MORE[pattern.name]} ({points(pattern.trend)} points from the first fifth of the images to the last)"


def _separation(pattern: Pattern) -> float:
    return 0.5 if pattern.separation is None else pattern.separation.value
