"""Image grid figure: rows and columns of images with column headings and row captions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from training.plots.style import TEXT, WIDTH, Theme, write_lines

Pixels = npt.NDArray[np.uint8]
_CLIP_QUANTILE = 0.99
"""Quantile at which attribution values are clipped, so that a single outlier does not flatten the colors."""

_LETTER = 0.6
"""Width of a letter relative to the font size."""


class Mosaic:
    """Images of one size on a grid with transparent gaps, and optional space below each image. Sizes are in pixels."""

    def __init__(self, rows: int, columns: int, height: int, width: int, *, gap: int, below: int = 0) -> None:
        self._cell = (height + below + gap, width + gap)
        shape = (rows * self._cell[0] - gap, columns * self._cell[1] - gap, 4)
        self._canvas_HWC = np.zeros(shape, dtype=np.uint8)

    @property
    def aspect(self) -> float:
        """Height over width."""
        return self._canvas_HWC.shape[0] / self._canvas_HWC.shape[1]

    def top(self, row: int) -> int:
        """First pixel row of grid row `row`."""
        return row * self._cell[0]

    def left(self, column: int) -> int:
        """First pixel column of grid column `column`."""
        return column * self._cell[1]

    def put(self, image_HWC: npt.NDArray[np.uint8], row: int, column: int) -> None:
        """Place an image uint8 [H, W, 3] in a cell."""
        height, width, _ = image_HWC.shape
        top, left = self.top(row), self.left(column)
        self._canvas_HWC[top : top + height, left : left + width, :3] = image_HWC
        self._canvas_HWC[top : top + height, left : left + width, 3] = 255

    def show(self, axes: Any) -> None:
        """Draw the mosaic into the axes without interpolation. The axes' data units are its pixels."""
        height, width, _ = self._canvas_HWC.shape
        axes.imshow(self._canvas_HWC, extent=(0, width, height, 0), interpolation="none", aspect="auto")
        axes.set_axis_off()


def mosaic_figure(
    rows: Sequence[Sequence[Pixels | None]],
    *,
    captions: Sequence[str],
    theme: Theme,
    headings: Sequence[str] = (),
    caption_width: float = 1.2,
) -> Figure:
    """Draw images in rows and columns.

    Args:
        rows: rows of images uint8 [H, W, 3] of one size; None leaves a cell empty.
        captions: captions left of the rows; may have several lines.
        theme: colors.
        headings: column headings, rotated by 90 degrees if they are too long.
        caption_width: width of the captions in inches.
    """
    first = next(image for row in rows for image in row if image is not None)
    height, width, _ = first.shape
    columns = max(len(row) for row in rows)
    mosaic = Mosaic(len(rows), columns, height, width, gap=max(1, width // 16))
    for r, row in enumerate(rows):
        for c, image_HWC in enumerate(row):
            if image_HWC is not None:
                mosaic.put(image_HWC, r, c)
    body = (WIDTH - caption_width) * mosaic.aspect
    words = [heading.split(" ") for heading in headings]
    whole, longest = (
        max((letters * _LETTER * TEXT / 72 for letters in counts), default=0.0)
        for counts in (map(len, headings), (max(map(len, _halves(each))) for each in words))
    )
    upright = whole < (WIDTH - caption_width) / columns
    head = 0.0 if not headings else 2 * TEXT / 72 if upright else longest + TEXT / 72
    figure = Figure(figsize=(WIDTH, head + body), facecolor=theme.surface)
    axes = figure.add_axes((caption_width / WIDTH, 0, 1 - caption_width / WIDTH, body / (head + body)))
    mosaic.show(axes)
    for r, caption in enumerate(captions):
        write_lines(axes, -width / 8, mosaic.top(r) + height / 2, caption, size=TEXT, color=theme.text)
    for c, heading in enumerate(headings):
        lines = [heading] if upright else _halves(words[c])
        for number, line in enumerate(lines):
            aside = 1.1 * TEXT * (number - (len(lines) - 1) / 2)
            axes.annotate(
                line, (mosaic.left(c) + width / 2, 0), xytext=(aside, TEXT / 3), textcoords="offset points",
                ha="center", va="bottom", fontsize=TEXT, rotation=0 if upright else 90, color=theme.text,
                annotation_clip=False,
            )  # fmt: skip
    return figure


def _halves(words: Sequence[str]) -> list[str]:
    """Split a heading into at most two lines."""
    if len(words) < 2:
        return list(words)
    return [" ".join(words[:-1]), words[-1]]


def map_picture(map_HW: npt.NDArray[np.float64], *, signed: bool) -> Pixels:
    """Color an attribution map with inferno, or with coolwarm (gray at zero) if `signed`; uint8 [H, W, 3]."""
    values_HW = map_HW if signed else map_HW - map_HW.min()
    strength_HW = np.abs(values_HW)
    limit = float(np.quantile(strength_HW, _CLIP_QUANTILE, method="lower")) or float(strength_HW.max())
    share_HW = np.clip(values_HW / (limit or 1.0), -1, 1)
    colormap = matplotlib.colormaps["coolwarm" if signed else "inferno"]
    return np.asarray(colormap((share_HW + 1) / 2 if signed else share_HW, bytes=True)[..., :3], np.uint8)
