"""Figure style of reports: width, font size, axes in the colors of a theme, legends and error bars."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from core.statistics.intervals import ConfidenceInterval
from training.plots.theme import Theme

Draw = Callable[[Theme], Figure]
"""Function that draws a figure in a theme."""

WIDTH = 5.4
"""Figure width in inches: one column of the page."""

TEXT = 11
"""Font size in points."""

MARKERS = ("o", "s")
"""Markers of the first and second model, so that they differ not only in color."""


def grid_of_axes(theme: Theme, rows: int, columns: int, *, height: float, **shared: Any) -> tuple[Figure, list[Any]]:
    """Create a figure of `height` inches and rows x columns styled axes; `shared` is passed to `Figure.subplots`."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained", facecolor=theme.surface)
    found = list(figure.subplots(rows, columns, squeeze=False, **shared).ravel())
    for axes in found:
        style(axes, theme)
    return figure, found


def style(axes: Any, theme: Theme) -> None:
    """Style axes: bottom spine only, light grid, text in the theme's color."""
    axes.set_facecolor(theme.surface)
    axes.tick_params(colors=theme.text, labelsize=TEXT - 1, length=0)
    axes.grid(color=theme.grid)
    axes.set_axisbelow(True)
    for label in (axes.xaxis.label, axes.yaxis.label, axes.title):
        label.set_color(theme.text)
        label.set_fontsize(TEXT)
    for name, spine in axes.spines.items():
        spine.set_visible(name == "bottom")
        spine.set_color(theme.muted)


def percent_axis(axis: Any) -> None:
    """Format an axis of shares as percent, with ticks that have exact labels."""
    axis.set_major_locator(MaxNLocator(nbins="auto", steps=[1, 2, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda share, _: f"{round(100 * share, 6) + 0.0:g}%"))


def error_bars(estimates: Sequence[ConfidenceInterval]) -> tuple[list[float], list[list[float]]]:
    """Values, and the lengths of their intervals below and above, for matplotlib's `errorbar`."""
    values = [estimate.value for estimate in estimates]
    below = [max(0.0, estimate.value - estimate.low) for estimate in estimates]
    above = [max(0.0, estimate.high - estimate.value) for estimate in estimates]
    return values, [below, above]


def legend_above(figure: Figure, axes: Any, theme: Theme) -> None:
    """Add the legend of `axes` above the figure."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside upper center", ncols=len(labels), frameon=False, labelcolor=theme.text,
        fontsize=TEXT,
    )  # fmt: skip


def write_lines(axes: Any, x: float, y: float, text: str, *, size: float, color: str) -> None:
    """Write right-aligned text of one or several lines, which ends at x and is vertically centered at y.

    Each line is a separate text, because SVG viewers with another font misalign the lines of a multi-line text.
    """
    lines = text.split("\n")
    for number, line in enumerate(lines):
        down = 1.2 * size * (number - (len(lines) - 1) / 2)
        axes.annotate(
            line, (x, y), xytext=(0, -down), textcoords="offset points", ha="right", va="center", fontsize=size,
            color=color, annotation_clip=False,
        )  # fmt: skip
