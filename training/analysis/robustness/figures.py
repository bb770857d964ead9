"""Figures of robustness: accuracy by level and by condition, and samples of the corruptions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from core.records.base import plain
from core.records.robustness import MeanAccuracy, Robustness, mean_accuracies
from training.corruptions.cifar10c import CORRUPTIONS, SEVERITIES, corrupted
from training.data.types import ImageDataset
from training.plots.image_grid import mosaic_figure
from training.plots.style import (
    MARKERS,
    TEXT,
    Draw,
    Theme,
    error_bars,
    grid_of_axes,
    legend_above,
    percent_axis,
    write_figures,
)

_COLUMNS = 3
_UNITS = {
    "shift": "pixels",
    "rotation": "degrees",
    "fgsm": "step in 1/255",
    "noisy_original": "1 to 5: originals of 512 to 32 pixels",
}


def robustness_figures(reports: Sequence[Robustness], dataset: ImageDataset) -> dict[str, Draw]:
    """Draw functions by figure name."""
    return {
        "levels": lambda theme: levels_figure(reports, theme),
        "means": lambda theme: means_figure(reports, theme),
        "corruptions": lambda theme: samples_figure(dataset.test.images_NHWC[0], reports[0].seed, theme),
    }


def write_robustness_figures(
    reports: Sequence[Robustness], dataset: ImageDataset, folder: Path, *, quick: bool
) -> list[Path]:
    """Draw the figures with the light theme into `folder` and return their paths."""
    names = "-".join(report.model.reference for report in reports)
    return write_figures(robustness_figures(reports, dataset), folder, f"{names}{'.quick' if quick else ''}")


def levels_figure(reports: Sequence[Robustness], theme: Theme) -> Figure:
    """Accuracy of each model by level with 95 % intervals, one panel per condition; level 0 is the clean images."""
    names = [name for name in dict.fromkeys(each.name for each in reports[0].conditions) if name != "clean"]
    rows = -(-len(names) // _COLUMNS)
    figure, panels = grid_of_axes(theme, rows, _COLUMNS, height=0.6 + 1.65 * rows, sharey=True)
    for axes, name in zip(panels, names, strict=False):
        for report, color, marker in zip(reports, theme.parts, MARKERS, strict=False):
            _line(axes, report, name, color, marker)
        axes.set_title(plain(name), fontsize=TEXT, color=theme.text)
        axes.set_ylim(0, 1)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=5, steps=[1, 2, 5, 10]))
        axes.set_xlabel(_UNITS.get(name, "severity"), fontsize=TEXT - 1)
    for axes in panels[len(names) :]:
        axes.set_axis_off()
    for axes in panels[::_COLUMNS]:
        percent_axis(axes.yaxis)
    figure.supylabel("accuracy", fontsize=TEXT, color=theme.text)
    figure.supxlabel("at 0 the images as they are", fontsize=TEXT, color=theme.text)
    legend_above(figure, panels[0], theme)
    return figure


def means_figure(reports: Sequence[Robustness], theme: Theme) -> Figure:
    """Mean accuracy over the levels of each condition and model, with 95 % intervals."""
    means: list[Sequence[MeanAccuracy]] = [mean_accuracies(report) for report in reports]
    names = [row.name for row in means[0]]
    figure, [axes] = grid_of_axes(theme, 1, 1, height=0.8 + 0.38 * len(names))
    places = np.arange(len(names), dtype=np.float64)
    share = 0.8 / len(reports)
    for number, (report, rows, color) in enumerate(zip(reports, means, theme.parts, strict=False)):
        values, errors = error_bars([row.accuracy for row in rows])
        offset = (number - (len(reports) - 1) / 2) * share
        axes.barh(
            places + offset, values, height=share * 0.9, xerr=errors, color=color, label=report.model.reference,
            error_kw={"ecolor": theme.text, "elinewidth": 1},
        )  # fmt: skip
    axes.set_yticks(places, [plain(name) for name in names])
    axes.margins(y=0.01)
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    percent_axis(axes.xaxis)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("accuracy, mean over the levels")
    legend_above(figure, axes, theme)
    return figure


def samples_figure(image_HWC: npt.NDArray[np.uint8], seed: int, theme: Theme) -> Figure:
    """One image with each corruption at each severity."""
    rows = [
        [image_HWC, *(corrupted(name, level, image_HWC[None], seed)[0] for level in SEVERITIES)] for name in CORRUPTIONS
    ]
    captions = [name.replace("_", "\n") for name in CORRUPTIONS]
    return mosaic_figure(rows, captions=captions, theme=theme, caption_width=1.15)


def _line(axes: Any, report: Robustness, name: str, color: str, marker: str) -> None:
    levels = (report.clean, *report.named(name))
    places = [_position(level.setting, level.level, name) for level in levels]
    values, errors = error_bars([level.accuracy for level in levels])
    axes.errorbar(
        places, values, yerr=errors, color=color, marker=marker, ms=3, lw=1.4, elinewidth=1,
        label=report.model.reference,
    )  # fmt: skip


def _position(setting: str, level: int, name: str) -> float:
    """Position of a level on the x axis: its pixels, degrees or steps, or its number if it has no unit."""
    if level == 0 or name not in _UNITS:
        return float(level)
    return float(setting.split()[0].split("/")[0])
