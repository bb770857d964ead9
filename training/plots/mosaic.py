"""Many small images on one canvas: one picture to draw instead of a hundred axes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


class Mosaic:
    """Images of one size on a grid, with a gap between them and, if asked for, room below each; clear in between."""

    def __init__(self, rows: int, columns: int, height: int, width: int, *, gap: int, below: int = 0) -> None:
        self._cell = (height + below + gap, width + gap)
        shape = (rows * self._cell[0] - gap, columns * self._cell[1] - gap, 4)
        self._canvas_HWC = np.zeros(shape, dtype=np.uint8)

    @property
    def aspect(self) -> float:
        """Height over width."""
        return self._canvas_HWC.shape[0] / self._canvas_HWC.shape[1]

    def top(self, row: int) -> int:
        """First pixel row of a grid row."""
        return row * self._cell[0]

    def left(self, column: int) -> int:
        """First pixel column of a grid column."""
        return column * self._cell[1]

    def put(self, image_HWC: npt.NDArray[np.uint8], row: int, column: int) -> None:
        """Place an image."""
        height, width, _ = image_HWC.shape
        top, left = self.top(row), self.left(column)
        self._canvas_HWC[top : top + height, left : left + width, :3] = image_HWC
        self._canvas_HWC[top : top + height, left : left + width, 3] = 255

    def show(self, axes: Any) -> None:
        """Fill the axes with the mosaic, pixel for pixel in a drawing of lines; their data units become its pixels."""
        height, width, _ = self._canvas_HWC.shape
        axes.imshow(self._canvas_HWC, extent=(0, width, height, 0), interpolation="none", aspect="auto")
        axes.set_axis_off()
