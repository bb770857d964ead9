"""Figures of the report by name: figures from records, and figures that need the images."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from training.analysis.explore.gallery import content_figures
from training.analysis.explore.statistics import describe
from training.analysis.interpret.activations import Model
from training.analysis.interpret.gallery import activation_figures, explanation_figures
from training.analysis.mistakes.find import VersionPredictions
from training.analysis.mistakes.gallery import mistake_figures
from training.analysis.report.figures import (
    choices_figure,
    classes_figure,
    confusion_figure,
    curves_figure,
    reliability_figure,
    steps_figure,
)
from training.analysis.report.findings import Findings
from training.analysis.robustness.figures import robustness_figures
from training.data.split_dataset import Images
from training.plots.style import Draw

_EXPLORED = ("samples", "mean_images", "brightness", "contrast")


def plain_figures(findings: Findings) -> dict[str, Draw]:
    """Draw functions of the figures that need only records, by name."""
    figures: dict[str, Draw] = {
        "curves": partial(curves_figure, findings),
        "classes": partial(classes_figure, findings),
        "reliability": partial(reliability_figure, findings),
    }
    for number, side in enumerate(findings.sides, start=1):
        figures[f"confusion-{number}"] = partial(confusion_figure, side)
    for tuning in findings.tunings:
        if any(each.difference is not None for each in tuning.choices):
            figures[f"choices-{tuning.name}"] = partial(choices_figure, tuning)
    for study in findings.augmentation:
        figures[f"steps-{study.name}"] = partial(steps_figure, study)
    return figures


def pictured_figures(
    findings: Findings,
    models: tuple[Model, Model],
    versions: tuple[VersionPredictions, VersionPredictions],
    images: Images,
    made_at: Path,
    *,
    threads: int,
) -> dict[str, Draw]:
    """Draw functions of the figures that show images, by name.

    Args:
        findings: findings of both versions.
        models: both versions, for attribution maps.
        versions: both versions with stored predictions, for saliency maps of mistakes.
        images: the data set.
        made_at: folder of the images of activation maximization.
        threads: number of onnxruntime threads.
    """
    dataset = images.dataset
    explored = content_figures(dataset, images.split, describe(dataset, images.split))
    explained = [side.explanations for side in findings.sides]
    groups: dict[str, Mapping[str, Draw]] = {
        "data": {name: explored[name] for name in _EXPLORED},
        "robustness": robustness_figures([side.robustness for side in findings.sides], dataset),
        "explanations": explanation_figures(explained, models, dataset),
        "activations": activation_figures(findings.activations, models, dataset, made_at),
        "mistakes": mistake_figures(findings.mistakes, versions, dataset, threads=threads),
    }
    return {
        f"{group}-{numbered(name, findings)}": draw for group, named in groups.items() for name, draw in named.items()
    }


def numbered(name: str, findings: Findings) -> str:
    """Replace the version in a figure name such as maps.cnn@3 by 1 or 2, so that names do not depend on versions."""
    kind, _, reference = name.partition(".")
    numbers = {side.reference: f"-{number}" for number, side in enumerate(findings.sides, start=1)}
    return kind.replace("_", "-") + (numbers[reference] if reference else "")
