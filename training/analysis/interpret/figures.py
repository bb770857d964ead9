"""The figures of interpretation: maps side by side, what checks say of the methods, and the made images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image

from core.records.activations import ModelActivations
from core.records.display_names import plain
from core.records.explanations import Explanations, MethodEvaluation, MethodName
from core.repository.confidence_interval import ConfidenceInterval
from training.plots.image_grid import map_picture, mosaic_figure
from training.plots.style import MARKERS, TEXT, error_bars, grid_of_axes, legend_above
from training.plots.theme import Theme

Pixels = npt.NDArray[np.uint8]
Doubles = npt.NDArray[np.float64]
_CASCADE_MARKERS = ("o", "s", "^", "D", "v", "P")
"""Of the methods in the order of their names, the same for every version."""


def maps_figure(
    images_NHWC: Pixels,
    captions: Sequence[str],
    maps: Sequence[tuple[str, Doubles, bool]],
    theme: Theme,
) -> Figure:
    """Images and beside each its maps.

    Args:
        images_NHWC: what is explained.
        captions: left of each.
        maps: heading, maps [N, H, W], and whether they are signed, for each column.
        theme: of the text.
    """
    rows = [
        [image_HWC, *(map_picture(maps_NHW[n], signed=signed) for _, maps_NHW, signed in maps)]
        for n, image_HWC in enumerate(images_NHWC)
    ]
    headings = ["image", *(heading for heading, _, _ in maps)]
    return mosaic_figure(rows, captions=captions, headings=headings, theme=theme, text=TEXT)


def checks_figure(reports: Sequence[Explanations], theme: Theme) -> Figure:
    """The figures that decide on each method, with 95 % intervals and the line that each must be on one side of."""
    names = list(dict.fromkeys(method.method for report in reports for method in report.methods))
    titles = ("deletion", "insertion", "sensitivity", "likeness, weights fresh")
    figure, panels = grid_of_axes(theme, 2, 2, height=1.1 + 2 * (0.5 + 0.34 * len(names)), sharey=True)
    for position, (axes, title) in enumerate(zip(panels, titles, strict=True)):
        for number, (report, color, marker) in enumerate(zip(reports, theme.parts, MARKERS, strict=False)):
            found = {method.method: _deciding(method)[position] for method in report.methods}
            shown = [(place, found[name]) for place, name in enumerate(names) if found.get(name) is not None]
            values, reach = error_bars([estimate for _, estimate in shown if estimate is not None])
            places = [place + (number - (len(reports) - 1) / 2) * 0.24 for place, _ in shown]
            axes.errorbar(values, places, xerr=reach, fmt=marker, ms=5, color=color, label=report.model.reference)
        axes.set_title(title, fontsize=TEXT, color=theme.text)
        if position < 2:
            axes.axvline(0, color=theme.muted, lw=1)
        elif position == 3:
            axes.axvline(reports[0].settings["most_correlation"], color=theme.muted, lw=1, ls="--")
    panels[0].set_yticks(range(len(names)), [plain(name) for name in names])
    panels[0].invert_yaxis()
    panels[0].set_xlabel("area, gain over chance", fontsize=TEXT - 1)
    panels[1].set_xlabel("area, gain over chance", fontsize=TEXT - 1)
    panels[2].set_xlabel("relative change of the map", fontsize=TEXT - 1)
    panels[3].set_xlabel("rank correlation", fontsize=TEXT - 1)
    legend_above(figure, panels[0], theme)
    return figure


def cascade_figure(report: Explanations, theme: Theme) -> Figure:
    """How alike each method's maps stay while layers from the last to the first get fresh weights."""
    figure, [axes] = grid_of_axes(theme, 1, 1, height=4.6)
    colours = (*theme.parts, theme.text, theme.muted)
    looks = dict(zip(get_args(MethodName), zip(colours, _CASCADE_MARKERS, strict=True), strict=True))
    for method in report.methods:
        if method.cascade:
            values = [1.0, *(row.correlation.value for row in method.cascade)]
            color, marker = looks[method.method]
            axes.plot(range(len(values)), values, color=color, marker=marker, ms=5, lw=1.4, label=plain(method.method))
    most = report.settings["most_correlation"]
    axes.axhline(most, color=theme.muted, lw=1, ls="--", label=f"passes: at most {most:g} in the end")
    axes.set_ylim(-0.1, 1.05)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel(f"layers of {report.model.reference} with fresh weights, counted from the last")
    axes.set_ylabel("rank correlation with the trained maps")
    figure.legend(
        loc="outside upper center", ncols=2, frameon=False, labelcolor=theme.text, fontsize=TEXT - 1,
    )  # fmt: skip
    return figure


def class_images_figure(made: ModelActivations, folder: Path, training_NHWC: Pixels, theme: Theme) -> Figure:
    """For each class the images of all seeds, and the training image nearest to the first of them.

    The caption says how probable the class is to the model itself and to the other one, the mean over the seeds.
    """
    classes = list(dict.fromkeys(image.name for image in made.images if image.kind == "class"))
    rows, captions = [], []
    for name in classes:
        of_class = [image for image in made.images if image.kind == "class" and image.name == name]
        rows.append([_read(folder / image.file) for image in of_class] + [training_NHWC[of_class[0].nearest.position]])
        own, other = (
            float(np.mean([value or 0.0 for value in values]))
            for values in ([i.own_probability for i in of_class], [i.other_probability for i in of_class])
        )
        captions.append(f"{name}\nown mean {own:.0%}\n{made.other.family} mean {other:.0%}")
    headings = [*(f"seed {image.seed}" for image in made.images if image.name == classes[0]), "nearest"]
    return mosaic_figure(rows, captions=captions, headings=headings, theme=theme, caption_width=1.5, text=TEXT)


def channel_images_figure(made: ModelActivations, folder: Path, theme: Theme) -> Figure:
    """A row per block: the images of its liveliest channels."""
    blocks: dict[str, list[Pixels | None]] = {}
    for image in made.images:
        if image.kind == "channel":
            blocks.setdefault(image.name.partition(",")[0], []).append(_read(folder / image.file))
    return mosaic_figure(list(blocks.values()), captions=list(blocks), headings=(), theme=theme, text=TEXT)


def first_layer_figure(pictures_NHWC: Pixels, theme: Theme, *, columns: int = 8) -> Figure:
    """Weights as pictures, row by row."""
    rows = [list(pictures_NHWC[start : start + columns]) for start in range(0, len(pictures_NHWC), columns)]
    return mosaic_figure(rows, captions=(), headings=(), theme=theme, caption_width=0.0)


def _deciding(method: MethodEvaluation) -> tuple[ConfidenceInterval | None, ...]:
    last = method.cascade[-1].correlation if method.cascade else None
    return method.deletion_gain, method.insertion_gain, method.sensitivity, last


def _read(path: Path) -> Pixels:
    return np.asarray(Image.open(path), np.uint8)
