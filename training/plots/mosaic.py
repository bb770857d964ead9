"""Mosaic: many small images on one canvas, which draws faster than one axes per image."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


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
