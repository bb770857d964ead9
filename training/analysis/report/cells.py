"""Table cells that need more than one recorded figure: architecture, training settings, verdicts, severities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from core.recipes import CNNNetwork
from core.records.base import plain
from core.records.explanations import Explanations, MethodEvaluation
from core.records.robustness import CORRUPTION_KINDS, ConditionFigure, Robustness
from core.repository.evaluation import StrangeImages
from core.repository.manifest import Precision
from training.analysis.interpret.evaluate import DISTURBED, QUICK_DISTURBED
from training.analysis.report.findings import Findings, Rung, VersionResults
from training.analysis.report.number_format import joined, number, percent
from training.augment.overlap import overlaps

_SETTINGS: Mapping[str, str] = {
    "flip": "horizontal flip",
    "translate": "shift up to {} pixels",
    "rotate": "rotation up to {:g} degrees",
    "stretch": "stretch up to {:.0%}",
    "cutout": "cutout {0}x{0} pixels",
    "mixup": "mixup (alpha {:g})",
    "cutmix": "CutMix ({:.0%} of images)",
    "augmix": "AugMix ({:.0%} of images)",
    "frequency_mixing": "frequency mixing ({:.0%} of images)",
    "texture_mixing": "texture mixing ({:.0%} of images)",
    "outliers": "outlier exposure ({:.0%} of a batch)",
}
"""Text for each augmentation setting of a recipe, in the order of the table."""


def layers(side: VersionResults | Rung) -> str:
    """List the layers of the network from input to logits, with pooling and dense layers."""
    network: Mapping[str, Any] = side.manifest.config["network"]
    classes = len(side.manifest.class_names)
    if network["kind"] == "backbone":
        return f"pretrained EfficientNet-Lite0 (16 inverted residual blocks), global average, dense {classes}"
    hidden = [f"dense {width:,}" for width in network["hidden"]]
    if network["kind"] == "mlp":
        blocks = network.get("blocks", 0)
        residual = [f"{blocks} residual blocks of 2 dense layers each"] if blocks else []
        return ", ".join(["flatten", *hidden, *residual, f"dense {classes}"])
    channels = "/".join(str(count) for count in network["channels"])
    shortcut = ", a residual connection" if network.get("residual") else ""
    convolutions = (
        f"{len(network['channels'])} blocks of {network['convolutions']} convolutions of 3x3 ({channels} channels), "
        f"each block with batch normalization{shortcut} and 2x2 max-pooling"
    )
    whitened = network.get("design") == "whitened"
    first, last = (["2x2 whitening convolution"], ["global max-pooling"]) if whitened else ([], ["flatten"])
    return ", ".join([*first, convolutions, *last, *hidden, f"dense {classes}"])


def whitening_epsilon(side: VersionResults) -> float:
    """Epsilon of the whitening layer; older versions used the default and do not record it."""
    default: float = CNNNetwork.model_fields["whitening_epsilon"].default
    return float(side.manifest.config["network"].get("whitening_epsilon", default))


def augmentation(side: VersionResults | Rung) -> str:
    """List the augmentations that were switched on in training."""
    settings: Mapping[str, Any] = side.manifest.config["augmentation"]
    return ", ".join(text.format(settings[name]) for name, text in _SETTINGS.items() if settings.get(name)) or "none"


def overlap(side: VersionResults) -> str:
    """Conditions of the robustness report that training images resemble; empty for none."""
    return overlaps(side.manifest.config["augmentation"])


def targets(side: VersionResults | Rung) -> str:
    """Describe the training targets: labels, or the outputs of a teacher."""
    config = side.manifest.config
    teachers = _teachers(config)
    if teachers:
        return f"class probabilities of {joined(teachers)} (distillation)"
    smoothing = config["optimization"].get("label_smoothing", 0)
    return f"one-hot labels{f', label smoothing {smoothing:g}' if smoothing else ''}"


def training_time(side: VersionResults | Rung) -> str:
    """Wall time of training, and which of its parts the time includes or leaves out."""
    cost, config = side.manifest.cost, side.manifest.config
    teachers, start = _teachers(config), config.get("init_from")
    notes = []
    if teachers and cost.teacher_seconds is None:
        notes.append(f"without the predictions of {joined(teachers)}")
    elif teachers and cost.teacher_seconds is not None:
        notes.append(f"{cost.teacher_seconds / 60:.1f} of them for the predictions of {joined(teachers)}")
    others = [reference for reference in (start, *teachers) if reference is not None]
    if others:
        notes.append(f"plus the training of {joined(others)}")
    minutes = f"{cost.total_seconds / 60:.1f} minutes"
    return f"{minutes} ({', '.join(notes)})" if notes else minutes


def _teachers(config: Mapping[str, Any]) -> list[str]:
    """References of the teachers in a manifest's configuration; older ones have no distillation."""
    teacher: str | None = (config.get("distillation") or {}).get("teacher")
    return [] if teacher is None else teacher.split("+")


def machine(side: VersionResults) -> str:
    """Processor or device, thread count and data type of the training."""
    environment = side.manifest.environment
    device = environment.cpu if environment.device == "cpu" else environment.device
    return f"{environment.threads} threads of {device}, {environment.dtype}"


def latency(side: VersionResults, precision: Precision, batch: int) -> str:
    """Milliseconds per image with interval; empty if the version has no such graph."""
    timing = side.latency.of(precision, batch)
    return "" if timing is None else number(timing.ms, 2)


def verdict(explanations: Explanations, method: MethodEvaluation) -> str:
    """Result of the checks of an explanation method: passes, fails, or undecided because the interval is too wide."""
    if not method.images:
        return "**fails**: every map is flat"
    undecided = explanations.undecided(method)
    failed = [name for name in method.failed if name not in undecided]
    parts = [f"**fails** {joined(failed)}"] if failed else []
    parts += [f"undecided: {joined(undecided)}"] if undecided else []
    return "; ".join(parts) or "passes"


def has_controls(findings: Findings) -> bool:
    """True if the explanations of both versions were compared with all controls; older records have one control."""
    methods = [method for side in findings.sides for method in side.explanations.methods if method.images]
    return all(method.deletion_controls and method.other_images for method in methods)


def strange(side: VersionResults) -> Sequence[StrangeImages]:
    """Scores of out-of-distribution images: those of the robustness record if it has any, or the published ones."""
    return side.robustness.strange or side.scores.strange or ()


def has_shift_figures(findings: Findings) -> bool:
    """True if calibration, coverage and flags under corruption were measured for both versions."""
    return all(side.robustness.mean_over_corruptions("ece") is not None for side in findings.sides)


def shift_conditions(findings: Findings) -> list[str]:
    """Names of the conditions of both versions, with `clean` first."""
    known = {each.name for each in findings.second.robustness.conditions}
    return [name for name in dict.fromkeys(each.name for each in findings.first.robustness.conditions) if name in known]


def shift_figures(side: VersionResults, name: str) -> str:
    """Calibration error, coverage and flag rate under one condition, mean over its levels: "12.1%; 93.0%; 4.0%"."""
    figures: tuple[ConditionFigure, ...] = ("ece", "coverage", "flag_rate")
    return "; ".join(percent(side.robustness.mean_over_levels(name, figure)) for figure in figures)


def severities(report: Robustness) -> list[tuple[str, str]]:
    """Parameters of each corruption, mildest severity first: ("gaussian noise", "deviation 0.04, 0.06")."""
    names = dict.fromkeys(each.name for each in report.of_kind(*CORRUPTION_KINDS))
    return [(plain(name), _levels([each.setting for each in report.named(name)])) for name in names]


def sensitivity_images(findings: Findings) -> int:
    """Number of images used for sensitivity and parameter randomization."""
    return QUICK_DISTURBED if findings.quick else DISTURBED


def _levels(settings: Sequence[str]) -> str:
    """Merge "deviation 1, radius 6" and "deviation 2, radius 6" into "deviation 1, 2; radius 6"."""
    values: dict[str, list[str]] = {}
    for setting in settings:
        for part in setting.split(", "):
            name, _, level = part.rpartition(" ")
            values.setdefault(name, []).append(level)
    return "; ".join(f"{name} {', '.join(each if len(set(each)) > 1 else each[:1])}" for name, each in values.items())
