"""Figures of a version: training curves, confusion matrix or confused pairs, and reliability diagram."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from core.repository.evaluation import Scores
from training.plots.style import error_bars
from training.plots.text import plot_text
from training.run.checkpoint import EpochRecord

FIGURES_NAME = "figures"
_COUNTED_CLASSES, _PAIRS = 40, 30
_LABEL_LETTERS = 30
"""Maximum length of a class name in the figure of confused pairs."""
# Colors of Okabe & Ito, which are distinguishable with color vision deficiencies.
_BLUE, _ORANGE, _GRAY = "#0072B2", "#D55E00", "#7f7f7f"


def write_figures(folder: Path, reference: str, history: Sequence[EpochRecord], scores: Scores) -> None:
    """Write history.png, confusion.png and reliability.png to `folder`/figures; without a history, the last two."""
    target = folder / FIGURES_NAME
    target.mkdir()
    if history:
        _save(training_curves(reference, history), target / "history.png")
    draw = confusion if scores.confusion_matrix else confused_pairs
    _save(draw(reference, scores), target / "confusion.png")
    _save(reliability_diagram(reference, scores), target / "reliability.png")


def training_curves(reference: str, history: Sequence[EpochRecord]) -> Figure:
    """Loss and accuracy per epoch, for training and validation images."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    losses, accuracies = figure.subplots(1, 2)
    epochs = [record.epoch for record in history]
    marker = "o" if len(history) < 30 else None
    for axes, measure in ((losses, "loss"), (accuracies, "accuracy")):
        axes.plot(
            epochs, [getattr(record, f"train_{measure}") for record in history], color=_BLUE, marker=marker, ms=3,
            label="training (augmented)",
        )  # fmt: skip
        validation = [getattr(record, f"validation_{measure}") for record in history]
        if None not in validation:
            axes.plot(epochs, validation, color=_ORANGE, marker=marker, ms=3, label="validation")
        plain = [record.plain_accuracy for record in history]
        if measure == "accuracy" and None not in plain:
            axes.plot(epochs, plain, color=_BLUE, ls="--", marker=marker, ms=3, label="training (unchanged images)")
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, loc="upper right" if measure == "loss" else "lower right")
    losses.set_ylabel("loss (nats)")
    accuracies.set_ylabel("accuracy")
    accuracies.yaxis.set_major_formatter(PercentFormatter(1.0))
    figure.suptitle(f"{reference}: training")
    return figure


def confusion(reference: str, scores: Scores) -> Figure:
    """Confusion matrix on the test images, colored by the share of the true class.

    Cells have counts for up to 40 classes, and the figure stops growing at that size. Of more than 100 classes, the
    scores have no matrix: see `confused_pairs`.
    """
    labels = [plot_text(row.label) for row in scores.per_class]
    classes = len(labels)
    counts_KK = np.array(scores.confusion_matrix)
    shares_KK = counts_KK / np.maximum(counts_KK.sum(axis=1, keepdims=True), 1)
    side = 2.2 + 0.55 * min(classes, _COUNTED_CLASSES)
    figure = Figure(figsize=(side + 0.6, side), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(shares_KK, cmap="cividis", vmin=0, vmax=1)
    if classes <= _COUNTED_CLASSES:
        for row, column in np.ndindex(*counts_KK.shape):
            color = "black" if shares_KK[row, column] > 0.5 else "white"
            axes.text(column, row, str(counts_KK[row, column]), ha="center", va="center", color=color, fontsize=8)
    axes.set_xticks(range(classes), labels, rotation=45, ha="right")
    axes.set_yticks(range(classes), labels)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    axes.set_title(f"{reference}: {counts_KK.sum():,} test images, accuracy {scores.accuracy.value:.2%}")
    figure.colorbar(image, ax=axes, shrink=0.8, label="share of the true class", format=PercentFormatter(1.0))
    return figure


def confused_pairs(reference: str, scores: Scores) -> Figure:
    """Most frequent confusions on the test images, for more classes than a confusion matrix can show."""
    pairs = (scores.confusions or ())[:_PAIRS]
    figure = Figure(figsize=(9, 1.4 + 0.27 * max(1, len(pairs))), layout="constrained")
    axes = figure.subplots()
    axes.barh(range(len(pairs)), [pair.images for pair in pairs], color=_ORANGE, height=0.7)
    names = [plot_text(f"{_clipped(pair.label)} as {_clipped(pair.predicted)}") for pair in pairs]
    axes.set_yticks(range(len(pairs)), names, fontsize=8)
    axes.invert_yaxis()
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("test images")
    axes.grid(alpha=0.3, axis="x")
    images = sum(row.support for row in scores.per_class)
    most = f"{len(pairs)} most frequent confusions" if pairs else "no confusion"
    axes.set_title(f"{reference}: {most}, {images:,} test images, accuracy {scores.accuracy.value:.2%}", fontsize=10)
    return figure


def _clipped(label: str) -> str:
    return label if len(label) <= _LABEL_LETTERS else f"{label[: _LABEL_LETTERS - 1]}…"


def reliability_diagram(reference: str, scores: Scores) -> Figure:
    """Reliability diagram: accuracy against confidence with 95 % intervals, and the number of images per bin."""
    figure = Figure(figsize=(4.6, 5.2), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    bins = [part for part in scores.reliability.bins if part.count]
    top.plot([0, 1], [0, 1], color=_GRAY, ls="--", label="perfectly calibrated")
    accuracies, errors = error_bars([part.accuracy_interval for part in bins])
    top.errorbar(
        [part.confidence or 0.0 for part in bins], accuracies, yerr=errors, elinewidth=1,
        color=_BLUE, marker="o", ms=4, label=f"model (ECE {scores.reliability.ece:.2%})",
    )  # fmt: skip
    top.set_ylabel("accuracy")
    top.set_ylim(0, 1.02)
    top.legend(frameon=False, loc="upper left")
    top.grid(alpha=0.3)
    width = scores.reliability.bins[0].high - scores.reliability.bins[0].low
    bottom.bar([part.low for part in bins], [part.count for part in bins], width=width, align="edge", color=_BLUE)
    bottom.set_ylabel("images")
    bottom.set_xlabel("confidence (top probability)")
    bottom.set_xlim(0, 1)
    bottom.grid(alpha=0.3, axis="y")
    figure.suptitle(f"{reference}: calibration on the test images")
    return figure


def _save(figure: Figure, path: Path) -> None:
    FigureCanvasAgg(figure)
    figure.savefig(path, dpi=110, metadata={"Software": None})
