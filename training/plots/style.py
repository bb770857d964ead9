"""Figure style of reports: color themes, axes, legends, error bars and PNG files."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from PIL import Image

from core.errors import ConfigurationError
from core.statistics.intervals import ConfidenceInterval
from training.plots.text import plot_text


@dataclass(frozen=True)
class Theme:
    """Colors as #rrggbb.

    Attributes:
        surface: background.
        text: labels.
        muted: lines and secondary text.
        accent: color of a single series.
        parts: train, validation, holdout and test; the colors of Okabe and Ito, which are distinguishable with color
            vision deficiencies.
        channels: red, green and blue.
    """

    name: str
    surface: str
    text: str
    muted: str
    grid: str
    accent: str
    parts: tuple[str, str, str, str]
    channels: tuple[str, str, str]


LIGHT = Theme(
    name="light",
    surface="#ffffff",
    text="#1b1d21",
    muted="#5c626b",
    grid="#e3e5e8",
    accent="#0072b2",
    parts=("#0072b2", "#e69f00", "#009e73", "#cc79a7"),
    channels=("#d1342f", "#2a8f3c", "#2f62d1"),
)
DARK = Theme(
    name="dark",
    surface="#1d2025",
    text="#eceef1",
    muted="#a3aab4",
    grid="#343941",
    accent="#56b4e9",
    parts=("#56b4e9", "#e69f00", "#2fbf94", "#dd95bc"),
    channels=("#ff7a70", "#5fce74", "#7aa5ff"),
)
Draw = Callable[[Theme], Figure]
"""Function that draws a figure in a theme."""

_DPI = 200
_SMALL_COLORS, _SMALL_DPI = 64, 100

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
    """Write right-aligned literal text of one or several lines, which ends at x and is vertically centered at y.

    Each line is a separate text, because SVG viewers with another font misalign the lines of a multi-line text.
    """
    lines = plot_text(text).split("\n")
    for number, line in enumerate(lines):
        down = 1.2 * size * (number - (len(lines) - 1) / 2)
        axes.annotate(
            line, (x, y), xytext=(0, -down), textcoords="offset points", ha="right", va="center", fontsize=size,
            color=color, annotation_clip=False,
        )  # fmt: skip


def write_figures(figures: Mapping[str, Draw], folder: Path, names: str) -> list[Path]:
    """Draw each figure with the light theme to `folder`/`names`.<figure>.png; returns the paths.

    Raises:
        ConfigurationError: the folder is not writable.
    """
    paths = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, draw in figures.items():
            paths.append(folder / f"{names}.{name}.png")
            paths[-1].write_bytes(png(draw(LIGHT)))
    except OSError as error:
        raise ConfigurationError(f"cannot write to {folder} ({error.strerror}): choose a writable folder") from error
    return paths


def png(figure: Figure) -> bytes:
    """Encode a figure as PNG. The same figure gives the same bytes."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=_DPI, metadata={"Software": None})
    return stream.getvalue()


def save_small(figure: Figure, path: Path) -> None:
    """Write the figure as a PNG with 64 colors, a third of the size of a true-color PNG, to be committed with code."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=_SMALL_DPI)
    with Image.open(drawn) as picture:
        picture.convert("RGB").quantize(_SMALL_COLORS).save(path, optimize=True)
