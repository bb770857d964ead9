"""Robustness in words: accuracy and flags of the two when images are changed, and what they were trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from core.records.display_names import plain
from core.records.robustness import CORRUPTION_KINDS, Condition, RobustnessDifference
from training.analysis.report.findings import Findings, VersionResults
from training.analysis.report.words.style import counted, direction, interval, listed, percent, points, sentence, turned

ALL = "all corruptions"


class Augmentation(NamedTuple):
    """A setting of a recipe's augmentation, its words with a place for the value, and the conditions it overlaps."""

    setting: str
    words: str
    overlaps: tuple[str, ...] = ()


_AUGMENTATIONS = (
    Augmentation("flip", "mirroring"),
    Augmentation("translate", "shifts by up to {} pixels", ("shift",)),
    Augmentation("rotate", "rotations by up to {:g} degrees", ("rotation",)),
    Augmentation("stretch", "stretching by up to {:.0%}", ("elastic transform",)),
    Augmentation("cutout", "cutout of {} pixels"),
    Augmentation("mixup", "mixup"),
    Augmentation("cutmix", "CutMix ({:.0%} of the images)"),
    Augmentation("augmix", "AugMix ({:.0%})", ("shift", "rotation", "elastic transform")),
    Augmentation("frequency_mixing", "frequency mixing ({:.0%})"),
    Augmentation("texture_mixing", "texture mixing within a class ({:.0%})"),
)


def row_of(findings: Findings, name: str) -> RobustnessDifference:
    """Both versions under one condition."""
    return next(row for row in findings.robustness if row.name == name)


def corruptions(findings: Findings) -> list[RobustnessDifference]:
    """The rows of single corruptions."""
    names = {each.name for each in findings.first.robustness.of_kind(*CORRUPTION_KINDS)}
    return [row for row in findings.robustness if row.name in names]


def severities(side: VersionResults) -> list[tuple[str, str]]:
    """Of each corruption, what its levels mean, the easiest first: ("gaussian noise", "deviation 0.04, 0.06")."""
    conditions = side.robustness.of_kind(*CORRUPTION_KINDS)
    return [
        (plain(name), _levels([each.setting for each in side.robustness.named(name)]))
        for name in dict.fromkeys(each.name for each in conditions)
    ]


def _levels(settings: Sequence[str]) -> str:
    """Each of "deviation 1, radius 6" and "deviation 2, radius 6" once, with its values: "deviation 1, 2; radius 6"."""
    values: dict[str, list[str]] = {}
    for setting in settings:
        for part in setting.split(", "):
            name, _, value = part.rpartition(" ")
            values.setdefault(name, []).append(value)
    return "; ".join(f"{name} {', '.join(each if len(set(each)) > 1 else each[:1])}" for name, each in values.items())


def overall(findings: Findings) -> str:
    """Accuracy under all corruptions, and who loses more of it."""
    row, first, second = row_of(findings, ALL), findings.first, findings.second
    told = (
        f"Averaged over all corruptions and severities the {first.name} answers {interval(row.first)} of the images "
        f"right, the {second.name} {interval(row.second)}"
    )
    said = {
        1: f"the {first.name} is ahead by {points(row.difference)} points",
        -1: f"the {second.name} is ahead by {points(turned(row.difference))} points",
        0: f"which of the two is ahead cannot be told ({points(row.difference)} points)",
    }[direction(row.difference)]
    return f"{told}: {said}."


def lost(findings: Findings) -> str:
    """Who loses more points against the images as they are."""
    row, first, second = row_of(findings, ALL), findings.first, findings.second
    drops = [
        side.robustness.clean.accuracy.value - mean.value for side, mean in ((first, row.first), (second, row.second))
    ]
    measured = (
        f"against the same images as they are, the {first.name} loses {100 * drops[0]:.1f} points and the "
        f"{second.name} {100 * drops[1]:.1f}"
    )
    said = {
        1: f"the {second.name} loses more, by {points(row.kept_difference)} points",
        -1: f"the {first.name} loses more, by {points(turned(row.kept_difference))} points",
        0: f"the difference of the two, {points(row.kept_difference)} points, may be chance",
    }[direction(row.kept_difference)]
    return sentence(f"{measured}; {said}.")


def by_corruption(findings: Findings) -> str:
    """Under which corruptions either is ahead, and which are the hardest."""
    rows, first, second = corruptions(findings), findings.first, findings.second
    told = []
    for side, sign in ((first, 1), (second, -1)):
        ahead = [row for row in rows if direction(row.difference) == sign]
        if len(ahead) == len(rows):
            told.append(f"the {side.name} is ahead under every one of the {counted(len(rows))} corruptions")
        elif len(ahead) > len(rows) / 2:
            others = [plain(row.name) for row in rows if row not in ahead]
            told.append(f"the {side.name} is ahead under all but {listed(others)}")
        elif ahead:
            told.append(f"the {side.name} is ahead under {listed([plain(row.name) for row in ahead])}")
    if not told:
        told.append("under no single corruption is either clearly ahead")
    return sentence("; ".join(told)) + "."


def hardest(findings: Findings) -> str:
    """The corruptions that cost either most and least."""
    told = []
    for side, own in ((findings.first, "first"), (findings.second, "second")):
        rows = sorted(corruptions(findings), key=lambda row: getattr(row, own).value)
        clean = side.robustness.clean.accuracy.value
        worst, mildest = rows[0], rows[-1]
        told.append(
            f"{plain(worst.name)} is what costs the {side.name} most ({_loss(getattr(worst, own).value, clean)}), "
            f"{plain(mildest.name)} what costs it least ({_loss(getattr(mildest, own).value, clean)})"
        )
    return sentence("; ".join(told)) + "."


def moved(findings: Findings) -> str:
    """What shifts and rotations cost at their largest."""
    told = []
    for side in findings.sides:
        shift, turn = (side.robustness.named(name)[-1] for name in ("shift", "rotation"))
        told.append(
            f"the {side.name} answers {interval(shift.accuracy)} right when images are shifted by {shift.setting}, and "
            f"{interval(turn.accuracy)} when they are turned by {turn.setting}"
        )
    return sentence("; ".join(told)) + "."


def attacked(findings: Findings) -> str:
    """What the fast gradient sign method leaves of the accuracy, at its smallest and largest step."""
    told = []
    for side in findings.sides:
        levels = side.robustness.named("fgsm")
        told.append(f"the {side.name} still answers {_left(levels[0])} and {_left(levels[-1])} right")
    row = row_of(findings, "fgsm")
    said = {
        1: f"over all steps the {findings.first.name} is ahead by {points(row.difference)} points",
        -1: f"over all steps the {findings.second.name} is ahead by {points(turned(row.difference))} points",
        0: f"over all steps the two do not differ clearly ({points(row.difference)} points)",
    }[direction(row.difference)]
    return (
        f"One step of the fast gradient sign method (FGSM), made for each network from its own gradient: "
        f"{'; '.join(told)}; {said}."
    )


def flagged(findings: Findings) -> str:
    """Share of corrupted images that each flags as out of distribution; empty where that was not measured."""
    told = []
    for side in findings.sides:
        flags, sets = (side.robustness.mean_over_corruptions(name) for name in ("flag_rate", "coverage"))
        if flags is not None and sets is not None:
            told.append(
                f"the {side.name} flags {percent(flags)} of the corrupted images as out of distribution, although they "
                f"are of its classes, and its prediction sets hold the true class for {percent(sets)} of them"
            )
    return sentence("; ".join(told)) + "." if told else ""


def trained_on(findings: Findings) -> str:
    """What training changed images by, and which conditions that overlaps with."""
    told, shared = [], []
    for side in findings.sides:
        settings = side.manifest.config.get("augmentation", {})
        used = [each for each in _AUGMENTATIONS if settings.get(each.setting)]
        said = [each.words.format(settings[each.setting]) for each in used]
        told.append(f"the {side.name} was trained on images changed by {listed(said) if said else 'nothing'}")
        overlaps = list(dict.fromkeys(name for each in used for name in each.overlaps))
        if overlaps:
            shared.append(f"for the {side.name} with {listed(overlaps)}")
    overlap = (
        f"Augmentation overlaps {'; '.join(shared)}: there the figures are not of changes never seen in training. "
        if shared
        else ""
    )
    return (
        f"{sentence('; '.join(told))}. {overlap}No training image was changed by noise, blur, weather or another "
        "digital corruption."
    )


def caveats(side: VersionResults) -> str:
    """What the benchmark is, and is not."""
    record = side.robustness
    return (
        f"The corruptions are {record.benchmark}: written anew from their published definitions with the severities of "
        f"CIFAR-10-C, so figures compare with published ones only roughly; {'; '.join(record.left_out)}. Measured on "
        f"{record.data.images:,} test images, as many of each class; intervals are by bootstrap over images, each for "
        "itself and not corrected for how many there are."
    )


def _loss(value: float, clean: float) -> str:
    return f"{percent(value)}, {round(100 * (value - clean), 1) + 0.0:+.1f} points"


def _left(level: Condition) -> str:
    return f"{interval(level.accuracy)} of the images at {level.setting}"
