"""Figures of `duet explore`.

Figures are one page column wide, so that their text is readable on a phone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, PercentFormatter

from training.analysis.explore.statistics import Distributions
from training.plots.mosaic import Mosaic
from training.plots.style import TEXT, WIDTH, write_lines
from training.plots.theme import Theme


def class_counts_figure(class_counts: dict[str, dict[str, int]], theme: Theme) -> Figure:
    """Stacked bars: number of images of each class in each part."""
    names = list(next(iter(class_counts.values())))
    figure, axes = _axes(theme, height=0.9 + 0.3 * len(names))
    left_K = np.zeros(len(names))
    for (part, counts), color in zip(class_counts.items(), theme.parts, strict=True):
        counts_K = np.array([counts[name] for name in names])
        axes.barh(names, counts_K, left=left_K, color=color, label=part, height=0.72)
        left_K += counts_K
    axes.invert_yaxis()
    axes.grid(axis="x", color=theme.grid)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.set_xlabel("images", color=theme.text)
    figure.legend(
        loc="outside upper center", ncols=4, frameon=False, labelcolor=theme.text, handlelength=1, columnspacing=1.2
    )
    return figure


def value_histogram_figure(counts_CV: npt.NDArray[np.int64], theme: Theme) -> Figure:
    """Histogram of the 256 values of each channel, from counts [C, 256]."""
    figure, axes = _axes(theme, height=3.2)
    names = ("red", "green", "blue")
    for counts_V, name, color in zip(counts_CV, names, theme.channels, strict=True):
        axes.step(np.arange(256), counts_V / counts_V.sum(), where="mid", color=color, label=name, lw=1.4)
    axes.set_xlim(0, 255)
    axes.set_xticks((0, 64, 128, 192, 255))
    axes.set_ylim(0, 1.12 * (counts_CV / counts_CV.sum(axis=1, keepdims=True)).max())
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=1))
    axes.grid(color=theme.grid)
    axes.set_xlabel("stored value", color=theme.text)
    axes.set_ylabel("share of pixels", color=theme.text)
    axes.legend(frameon=False, labelcolor=theme.text, loc="upper center", ncols=3, handlelength=1.2)
    return figure


def distribution_figure(found: Distributions, label: str, theme: Theme) -> Figure:
    """Box plots of all images and of each class: quartiles, with whiskers at the 5th and 95th percentile."""
    rows = {"all": found.overall, **found.by_class}
    figure, axes = _axes(theme, height=0.8 + 0.3 * len(rows))
    boxes = [
        {"whislo": row.p5, "q1": row.p25, "med": row.median, "q3": row.p75, "whishi": row.p95} for row in rows.values()
    ]
    line = {"color": theme.muted}
    axes.bxp(
        boxes, positions=range(len(rows)), orientation="horizontal", showfliers=False, showcaps=False, widths=0.6,
        patch_artist=True, boxprops={"facecolor": theme.accent, "edgecolor": "none"}, whiskerprops=line,
        medianprops={"color": theme.surface, "linewidth": 2},
    )  # fmt: skip
    axes.set_yticks(range(len(rows)), list(rows))
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    axes.grid(axis="x", color=theme.grid)
    axes.set_xlabel(label, color=theme.text)
    return figure


def class_rows_figure(rows: Sequence[tuple[str, npt.NDArray[np.uint8]]], theme: Theme) -> Figure:
    """Rows of images uint8 [n, H, W, 3] with a name at the left; rows may differ in length."""
    columns = max(len(images_NHWC) for _, images_NHWC in rows)
    _, height, width, _ = rows[0][1].shape
    gap = max(1, width // 16)
    mosaic = Mosaic(len(rows), columns, height, width, gap=gap)
    for row, (_, images_NHWC) in enumerate(rows):
        for column, image_HWC in enumerate(images_NHWC):
            mosaic.put(image_HWC, row, column)
    label_width = 1.15
    figure = Figure(figsize=(WIDTH, (WIDTH - label_width) * mosaic.aspect), facecolor=theme.surface)
    axes = figure.add_axes((label_width / WIDTH, 0, 1 - label_width / WIDTH, 1))
    mosaic.show(axes)
    for row, (name, _) in enumerate(rows):
        middle = mosaic.top(row) + height / 2
        write_lines(axes, -gap * 2, middle, name, size=TEXT, color=theme.text)
    return figure


def captioned_figure(
    images: Sequence[npt.NDArray[np.uint8]], captions: Sequence[str], *, columns: int, theme: Theme
) -> Figure:
    """Images uint8 [H, W, 3] of one size in rows of `columns`, each with a caption below."""
    height, width, _ = images[0].shape
    rows = -(-len(images) // columns)
    gap = max(1, width // 16)
    # Height of a text line in pixels of the mosaic, which is WIDTH inches wide.
    line = 1.2 * TEXT / 72 / WIDTH * columns * (width + gap)
    below = round(line * (1 + captions[0].count("\n") + 0.5))
    mosaic = Mosaic(rows, columns, height, width, gap=gap, below=below)
    for number, image_HWC in enumerate(images):
        mosaic.put(image_HWC, *divmod(number, columns))
    figure = Figure(figsize=(WIDTH, WIDTH * mosaic.aspect), facecolor=theme.surface)
    axes = figure.add_axes((0, 0, 1, 1))
    mosaic.show(axes)
    for number, caption in enumerate(captions):
        row, column = divmod(number, columns)
        axes.text(
            mosaic.left(column) + width / 2, mosaic.top(row) + height + line * 0.25, caption,
            ha="center", va="top", fontsize=TEXT, color=theme.text,
        )  # fmt: skip
    return figure


def side_by_side(left_HWC: npt.NDArray[np.uint8], right_HWC: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Join two images of one size horizontally, uint8 [H, 2 W, 3]."""
    return np.concatenate([left_HWC, right_HWC], axis=1)


def _axes(theme: Theme, *, height: float) -> tuple[Figure, Any]:
    """Create a figure of `height` inches with one axes in the colors of the theme."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained", facecolor=theme.surface)
    axes = figure.add_subplot(facecolor=theme.surface)
    axes.tick_params(colors=theme.text, labelsize=TEXT, length=0)
    axes.xaxis.label.set_fontsize(TEXT)
    axes.yaxis.label.set_fontsize(TEXT)
    axes.set_axisbelow(True)
    for name, spine in axes.spines.items():
        spine.set_visible(name == "bottom")
        spine.set_color(theme.muted)
    return figure, axes
