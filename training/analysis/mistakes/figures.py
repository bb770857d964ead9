"""Figures of mistakes: classes, confusions, patterns, and images with saliency maps of both models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from core.records.mistakes import Mistakes, Notable, Pattern
from core.statistics.intervals import ConfidenceInterval
from training.analysis.mistakes.find import VersionPredictions
from training.analysis.mistakes.properties import gradient_session, saliency_maps
from training.data.types import ImageDataset
from training.plots.image_grid import map_picture, mosaic_figure
from training.plots.style import MARKERS, TEXT, Draw, Theme, error_bars, grid_of_axes, legend_above, percent_axis
from training.plots.text import plot_text

Pixels = npt.NDArray[np.uint8]
Doubles = npt.NDArray[np.float64]
_LABELS = {
    "brightness": "brightness: mean luma",
    "contrast": "contrast: deviation of luma",
    "edges": "edges: mean slope of luma",
    "off_centre": "saliency off center (half sides)",
    "similarity": "similarity to training images",
}
_ROWS, _CLASSES = 8, 100


def classes_figure(mistakes: Mistakes, theme: Theme) -> Figure:
    """Error rates of up to 100 classes with 95 % intervals, sorted by that of the first model, highest on top."""
    names = [row.label for row in mistakes.models[0].classes][:_CLASSES]
    figure, [axes] = grid_of_axes(theme, 1, 1, height=0.9 + 0.32 * len(names))
    places = np.arange(len(names), dtype=np.float64)
    for number, (model, color, marker) in enumerate(zip(mistakes.models, theme.parts, MARKERS, strict=False)):
        errors = {row.label: row.error for row in model.classes}
        values, reach = error_bars([errors[name] for name in names])
        axes.errorbar(
            values, places + (number - 0.5) * 0.2, xerr=reach, fmt=marker, ms=5, color=color,
            label=model.model.reference,
        )  # fmt: skip
    axes.set_yticks(places, [plot_text(name) for name in names])
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    percent_axis(axes.xaxis)
    axes.set_xlabel("share of the class's images answered wrong")
    legend_above(figure, axes, theme)
    return figure


def confusions_figure(mistakes: Mistakes, theme: Theme) -> Figure:
    """Most frequent confusions of each model, as shares of the true class with 95 % intervals."""
    most = max(len(model.confusions) for model in mistakes.models)
    figure, panels = grid_of_axes(theme, 2, 1, height=1.2 + 2 * 0.24 * max(most, 2), sharex=True)
    for axes, model, color in zip(panels, mistakes.models, theme.parts, strict=False):
        values, reach = error_bars([row.rate for row in model.confusions])
        names = [plot_text(f"{row.label} as {row.answer}") for row in model.confusions]
        axes.barh(range(len(names)), values, xerr=reach, color=color, error_kw={"ecolor": theme.text, "elinewidth": 1})
        axes.set_yticks(range(len(names)), names)
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        percent_axis(axes.xaxis)
        axes.set_title(model.model.reference, fontsize=TEXT, color=theme.text)
    panels[-1].set_xlabel("share of the true class's images")
    return figure


def patterns_figure(mistakes: Mistakes, theme: Theme) -> Figure:
    """Error rate of both models in each fifth of the images, by each property, with 95 % intervals.

    Fifths have the same number of images and the same width. The tick labels are the values of the property at their
    borders, with one line for each model if the property depends on the model.
    """
    names = [pattern.name for pattern in mistakes.models[0].patterns]
    rows = -(-len(names) // 2)
    figure, panels = grid_of_axes(theme, rows, 2, height=0.6 + 2.1 * rows, sharey=True)
    for axes, name in zip(panels, names, strict=False):
        borders: dict[tuple[str, ...], str] = {}
        for number, (model, color, marker) in enumerate(zip(mistakes.models, theme.parts, MARKERS, strict=False)):
            pattern = next(each for each in model.patterns if each.name == name)
            errors: list[ConfidenceInterval] = [part.error for part in pattern.bins]
            values, reach = error_bars(errors)
            places = np.arange(len(errors)) + 0.5 + (number - 0.5) * 0.12
            axes.errorbar(
                places, values, yerr=reach, color=color, marker=marker, ms=4, lw=1.4, label=model.model.reference
            )
            borders.setdefault(_borders(pattern), model.model.reference)
        axes.xaxis.remove_overlapping_locs = False
        for number, written in enumerate(borders):
            axes.set_xticks(range(len(written)), written, minor=number > 0)
        axes.set_xlim(-0.2, len(errors) + 0.2)
        axes.tick_params(axis="x", labelsize=TEXT - 2, pad=6)
        axes.tick_params(axis="x", which="minor", labelsize=TEXT - 2, pad=20, length=0, colors=theme.text)
        axes.set_xlabel(_LABELS[name], fontsize=TEXT - 1)
        if len(borders) > 1:
            axes.set_title(f"borders of {', below of '.join(borders.values())}", fontsize=TEXT - 2, color=theme.text)
        percent_axis(axes.yaxis)
    panels[0].set_ylim(bottom=0)  # the axis is shared: set after all panels are drawn
    for axes in panels[len(names) :]:
        axes.set_axis_off()
    figure.supylabel("error rate in each fifth of the images", fontsize=TEXT, color=theme.text)
    legend_above(figure, panels[0], theme)
    return figure


def _borders(pattern: Pattern) -> tuple[str, ...]:
    """Borders of the fifths as text, with the fewest digits, at least two, that make them distinct."""
    values = [*(part.low for part in pattern.bins), pattern.bins[-1].high]
    written = (tuple(f"{value:.{digits}f}" for value in values) for digits in range(2, 7))
    return next(
        (texts for texts in written if len(set(texts)) == len(texts)), tuple(f"{value:.2f}" for value in values)
    )


def notable_figure(
    chosen: Sequence[Notable],
    images_NHWC: Pixels,
    maps: Mapping[str, Doubles],
    references: tuple[str, str],
    theme: Theme,
) -> Figure:
    """Draw a row for each test image: labels, the image, and the saliency of each model's predicted class.

    Args:
        chosen: records of the images.
        images_NHWC: the images in the same order.
        maps: saliency maps [n, H, W] by reference of the model.
        references: references of both models.
        theme: colors.
    """
    rows = [
        [image_HWC, *(map_picture(maps[reference][n], signed=False) for reference in references)]
        for n, image_HWC in enumerate(images_NHWC)
    ]
    captions = [
        f"label: {each.label}\n{references[0]}: {each.first.label} {each.first.probability:.0%}\n"
        f"{references[1]}: {each.second.label} {each.second.probability:.0%}"
        for each in chosen
    ]
    headings = ["image", *references]
    return mosaic_figure(rows, captions=captions, headings=headings, theme=theme, caption_width=2.6)


def mistake_figures(
    mistakes: Mistakes, versions: tuple[VersionPredictions, VersionPredictions], dataset: ImageDataset, *, threads: int
) -> dict[str, Draw]:
    """Draw functions by figure name. Empty galleries are left out."""
    first, second = (side.manifest.reference for side in versions)
    figures: dict[str, Draw] = {
        "classes": partial(classes_figure, mistakes),
        "confusions": partial(confusions_figure, mistakes),
        "patterns": partial(patterns_figure, mistakes),
    }
    galleries = {
        f"confident.{first}": mistakes.confident[0],
        f"confident.{second}": mistakes.confident[1],
        "label_candidates": mistakes.label_candidates,
    }
    for name, chosen in galleries.items():
        if chosen:
            figures[name] = _notable(chosen[:_ROWS], versions, dataset, threads)
    return figures


def _notable(
    chosen: Sequence[Notable],
    versions: tuple[VersionPredictions, VersionPredictions],
    dataset: ImageDataset,
    threads: int,
) -> Draw:
    images_NHWC = dataset.test.images_NHWC[[each.position for each in chosen]]
    maps = {}
    for side, field in zip(versions, ("first", "second"), strict=True):
        target_N = np.array([dataset.class_names.index(getattr(each, field).label) for each in chosen])
        session = gradient_session(side.folder, threads=threads)
        maps[side.manifest.reference] = saliency_maps(session, images_NHWC, target_N, len(dataset.class_names))
    references = (versions[0].manifest.reference, versions[1].manifest.reference)
    return lambda theme: notable_figure(chosen, images_NHWC, maps, references, theme)
