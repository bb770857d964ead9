"""Figures of the report: training curves, classes, confusion matrix, calibration, tuning choices and study steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from core.records.studies import AugmentationStudy, Tuning
from core.statistics.intervals import ConfidenceInterval
from training.analysis.explore.figures import content_figures
from training.analysis.explore.statistics import describe
from training.analysis.interpret.activations import Model
from training.analysis.interpret.figures import activation_figures, explanation_figures
from training.analysis.mistakes.figures import mistake_figures
from training.analysis.mistakes.find import VersionPredictions
from training.analysis.report.findings import Findings, VersionResults
from training.analysis.robustness.figures import robustness_figures
from training.data.split_dataset import Images
from training.plots.style import MARKERS, TEXT, Draw, Theme, error_bars, grid_of_axes, legend_above, percent_axis
from training.plots.text import plot_text

_DARK_TEXT, _LIGHT_TEXT = "#101010", "#fafafa"
"""Text colors on cells of a colormap, which is the same in both themes."""
_CLASSES = 100
_MIN_BIN_IMAGES = 20
"""Minimum images of a bin with drawn accuracy. The accuracy of fewer images is mostly noise."""
_EXPLORED = ("samples", "mean_images", "brightness", "contrast")


def curves_figure(findings: Findings, theme: Theme) -> Figure:
    """Accuracy and loss by epoch on augmented training images and on validation images, if any.

    The figure also shows the accuracy on unchanged training images and on the holdout, by epoch or at the end.
    """
    figure, panels = grid_of_axes(theme, 2, 2, height=4.6)
    for row, side in enumerate(findings.sides):
        for axes, measure in zip(panels[2 * row : 2 * row + 2], ("accuracy", "loss"), strict=True):
            epochs = [record.epoch for record in side.history]
            for part, color, style in (("train", theme.parts[0], "-"), ("validation", theme.parts[1], "--")):
                values = [getattr(record, f"{part}_{measure}") for record in side.history]
                if None not in values:
                    label = "training, augmented" if part == "train" else part
                    axes.plot(epochs, values, color=color, ls=style, lw=1.6, label=label)
            if measure == "accuracy":
                _plain_accuracy(axes, side, epochs, theme)
            axes.set_title(f"{side.reference}: {measure}", fontsize=TEXT, color=theme.text)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
            axes.set_xlabel("epoch", fontsize=TEXT - 1)
        percent_axis(panels[2 * row].yaxis)
        panels[2 * row + 1].set_ylabel("nats", fontsize=TEXT - 1)
    both = max(panels[::2], key=lambda axes: len(axes.lines))
    legend_above(figure, both, theme)
    return figure


def _plain_accuracy(axes: Any, side: VersionResults, epochs: Sequence[int], theme: Theme) -> None:
    """Accuracy on unchanged training images, by epoch if recorded, and the final accuracy on the holdout."""
    plain = [record.plain_accuracy for record in side.history]
    label = "training, unchanged"
    if None not in plain:
        axes.plot(epochs, plain, color=theme.parts[0], ls="--", lw=1.6, label=label)
    elif side.training_fit is not None:
        final = side.training_fit.accuracy.value
        axes.plot(epochs[-1:], [final], color=theme.parts[0], marker="o", ms=6, ls="", label=f"{label}, final")
    if side.manifest.metrics.holdout_accuracy is not None:
        holdout = [side.manifest.metrics.holdout_accuracy]
        axes.plot(epochs[-1:], holdout, color=theme.text, marker="D", ms=5, ls="", label="holdout, final")


def classes_figure(findings: Findings, theme: Theme) -> Figure:
    """Recall of each class and model with 95 % intervals. A star marks significant differences (Holm).

    Of more than 100 classes, those with the lowest p are shown.
    """
    rows = findings.pairwise.per_class
    if len(rows) > _CLASSES:
        rows = tuple(sorted(rows, key=lambda row: row.p)[:_CLASSES])
    figure, [axes] = grid_of_axes(theme, 1, 1, height=0.9 + 0.34 * len(rows))
    places = np.arange(len(rows), dtype=np.float64)
    for number, (side, own, color) in enumerate(zip(findings.sides, ("first", "second"), theme.parts, strict=False)):
        estimates: list[ConfidenceInterval] = [getattr(row, own) for row in rows]
        values, reach = error_bars(estimates)
        axes.errorbar(
            values, places + (number - 0.5) * 0.24, xerr=reach, fmt=MARKERS[number], ms=5, color=color,
            label=side.reference,
        )  # fmt: skip
    axes.set_yticks(places, [plot_text(f"{row.label} *" if row.significant else row.label) for row in rows])
    axes.invert_yaxis()
    axes.set_xlim(right=1)
    percent_axis(axes.xaxis)
    axes.set_xlabel("share of the class's test images recognized")
    legend_above(figure, axes, theme)
    return figure


def confusion_figure(side: VersionResults, theme: Theme) -> Figure:
    """Confusion matrix of a version, in percent of the true class."""
    labels = [plot_text(row.label) for row in side.scores.per_class]
    counts_KK = np.array(side.scores.confusion_matrix)
    shares_KK = counts_KK / np.maximum(counts_KK.sum(axis=1, keepdims=True), 1)
    figure, [axes] = grid_of_axes(theme, 1, 1, height=4.9)
    axes.imshow(shares_KK, cmap="cividis", vmin=0, vmax=1, interpolation="none", aspect="auto")
    axes.grid(visible=False)
    for row, column in np.ndindex(*shares_KK.shape):
        share = shares_KK[row, column]
        axes.text(
            column, row, text if (text := f"{100 * share:.0f}") != "0" else "·", ha="center", va="center",
            fontsize=TEXT - 1, color=_DARK_TEXT if share > 0.55 else _LIGHT_TEXT,
        )  # fmt: skip
    axes.set_xticks(range(len(labels)), labels, rotation=55, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(labels)), labels)
    axes.set_xlabel(f"class that {side.reference} answers")
    axes.set_ylabel("true class")
    return figure


def reliability_figure(findings: Findings, theme: Theme) -> Figure:
    """Reliability diagram of both versions with 95 % intervals, and the distribution of their confidence."""
    figure, [top, bottom] = grid_of_axes(theme, 2, 1, height=5.2, sharex=True, height_ratios=(3, 1.2))
    top.plot([0, 1], [0, 1], color=theme.muted, ls=":", lw=1.2, label="as sure as right")
    for number, (side, color) in enumerate(zip(findings.sides, theme.parts, strict=False)):
        filled = [part for part in side.scores.reliability.bins if part.count]
        bins = [part for part in filled if part.count >= _MIN_BIN_IMAGES]
        accuracies, errors = error_bars([part.accuracy_interval for part in bins])
        top.errorbar(
            [part.confidence or 0.0 for part in bins], accuracies, yerr=errors, color=color,
            marker=MARKERS[number], ms=4, lw=1.4, elinewidth=1, label=side.reference,
        )  # fmt: skip
        total = sum(part.count for part in filled)
        bottom.plot(
            [part.confidence or 0.0 for part in filled], [part.count / total for part in filled], color=color,
            marker=MARKERS[number], ms=4, lw=1.4,
        )  # fmt: skip
    top.set_ylabel("accuracy")
    bottom.set_ylabel("share of images")
    bottom.set_xlabel("confidence: probability of the answer")
    for axis in (top.yaxis, bottom.yaxis, bottom.xaxis):
        percent_axis(axis)
    top.set_ylim(0, 1)
    bottom.set_xlim(0, 1)
    bottom.set_ylim(bottom=0)
    legend_above(figure, top, theme)
    return figure


def choices_figure(tuning: Tuning, theme: Theme) -> Figure:
    """Effect of each choice that was tried alone, in percentage points with 95 % intervals.

    Optimizers are left out, because they are not comparable without a search for the best learning rate of each.
    """
    rows = [each for each in tuning.comparable_choices if each.difference is not None]
    figure, [axes] = grid_of_axes(theme, 1, 1, height=0.8 + 0.34 * len(rows))
    values, reach = error_bars([_in_points(each.difference) for each in rows if each.difference is not None])
    axes.axvline(0, color=theme.muted, lw=1)
    axes.errorbar(values, range(len(rows)), xerr=reach, fmt="o", ms=5, color=theme.parts[0])
    axes.set_yticks(range(len(rows)), [f"{each.setting}: {each.value}" for each in rows])
    axes.invert_yaxis()
    axes.margins(y=0.08)
    axes.set_xlabel("points of validation accuracy, against the recipe")
    return figure


def steps_figure(study: AugmentationStudy, theme: Theme) -> Figure:
    """Validation accuracy of each step of a study, one line per recipe, with 95 % intervals over seeds."""
    figure, [axes] = grid_of_axes(theme, 1, 1, height=3.4)
    names = list(dict.fromkeys(each.step for each in study.steps))
    recipes: Sequence[str] = list(dict.fromkeys(each.recipe for each in study.steps))
    for number, (recipe, color) in enumerate(zip(recipes, theme.parts, strict=False)):
        rows = [each for each in study.steps if each.recipe == recipe]
        values, reach = error_bars([each.accuracy for each in rows])
        places: list[Any] = [names.index(each.step) for each in rows]
        axes.errorbar(places, values, yerr=reach, marker=MARKERS[number % 2], ms=5, lw=1.4, color=color, label=recipe)
    axes.set_xticks(range(len(names)), names, rotation=30, ha="right", rotation_mode="anchor")
    percent_axis(axes.yaxis)
    axes.set_ylabel("validation accuracy")
    legend_above(figure, axes, theme)
    return figure


def _in_points(estimate: ConfidenceInterval) -> ConfidenceInterval:
    return ConfidenceInterval(value=100 * estimate.value, low=100 * estimate.low, high=100 * estimate.high)


def plain_figures(findings: Findings) -> dict[str, Draw]:
    """Draw functions of the figures that need only records, by name."""
    figures: dict[str, Draw] = {
        "curves": partial(curves_figure, findings),
        "classes": partial(classes_figure, findings),
        "reliability": partial(reliability_figure, findings),
    }
    for number, side in enumerate(findings.sides, start=1):
        if side.scores.confusion_matrix:
            figures[f"confusion-{number}"] = partial(confusion_figure, side)
    for tuning in findings.tunings:
        if any(each.difference is not None for each in tuning.comparable_choices):
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
