"""What the figures of reports have in common: their width, text size and plain axes in the colors of a theme."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from core.repository.confidence_interval import ConfidenceInterval
from training.plots.theme import Theme

WIDTH = 5.4
"""Inches: a column of the page."""

TEXT = 11
"""Points."""

MARKERS = ("o", "s")
"""Of the first and the second model, so that color is not all that tells them apart."""


def grid_of_axes(theme: Theme, rows: int, columns: int, *, height: float, **shared: Any) -> tuple[Figure, list[Any]]:
    """A figure of `height` inches with rows x columns axes, row by row; `shared` as of `Figure.subplots`."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained", facecolor=theme.surface)
    found = list(figure.subplots(rows, columns, squeeze=False, **shared).ravel())
    for axes in found:
        style(axes, theme)
    return figure, found


def style(axes: Any, theme: Theme) -> None:
    """No frame but the bottom line, a quiet grid, text in the theme's color."""
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
    """Write shares as percent, at steps that take few digits and with all of them: a label says where it stands."""
    axis.set_major_locator(MaxNLocator(nbins="auto", steps=[1, 2, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda share, _: f"{round(100 * share, 6) + 0.0:g}%"))


def error_bars(estimates: Sequence[ConfidenceInterval]) -> tuple[list[float], list[list[float]]]:
    """Values, and how far their intervals reach below and above, as matplotlib wants it."""
    values = [estimate.value for estimate in estimates]
    below = [max(0.0, estimate.value - estimate.low) for estimate in estimates]
    above = [max(0.0, estimate.high - estimate.value) for estimate in estimates]
    return values, [below, above]


def legend_above(figure: Figure, axes: Any, theme: Theme) -> None:
    """The legend of `axes`, above all of the figure."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside upper center", ncols=len(labels), frameon=False, labelcolor=theme.text,
        fontsize=TEXT,
    )  # fmt: skip


def write_lines(axes: Any, x: float, y: float, text: str, *, size: float, color: str) -> None:
    """Text of one or several lines that end at x, about the height y; each line is a text of its own.

    Of several lines in one text a drawing of lines keeps the places but not the alignment, and shows them in another
    font than they were placed with.
    """
    lines = text.split("\n")
    for number, line in enumerate(lines):
        down = 1.2 * size * (number - (len(lines) - 1) / 2)
        axes.annotate(
            line, (x, y), xytext=(0, -down), textcoords="offset points", ha="right", va="center", fontsize=size,
            color=color, annotation_clip=False,
        )  # fmt: skip
