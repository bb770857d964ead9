"""Shifts by whole pixels and rotations about the center, with mirrored borders."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from training.corruptions.sampling import grid, mirrored, sample_bilinear, take

Pixels = npt.NDArray[np.uint8]
SHIFTS = (1, 2, 3, 4)
"""Pixels."""
ROTATIONS = (5, 10, 15, 20, 30)
"""Degrees."""
_DIRECTIONS = np.array([(-1, 0), (0, 1), (1, 0), (0, -1)])


def shifted(images_NHWC: Pixels, pixels: int) -> Pixels:
    """Shift the images by `pixels`, in turn up, right, down and left."""
    count, height, width, _ = images_NHWC.shape
    down_N11, right_N11 = (_DIRECTIONS[np.arange(count) % 4] * pixels).T[:, :, None, None]
    rows_NHW, columns_NHW = grid(count, height, width)
    rows, columns = mirrored(rows_NHW - down_N11, height), mirrored(columns_NHW - right_N11, width)
    return np.asarray(take(images_NHWC, rows, columns), np.uint8)


def rotated(images_NHWC: Pixels, degrees: float) -> Pixels:
    """Rotate the images by `degrees`, in alternating directions, with bilinear interpolation."""
    count, height, width, _ = images_NHWC.shape
    angle_N11 = np.radians(degrees) * np.where(np.arange(count) % 2, -1, 1)[:, None, None]
    rows_NHW, columns_NHW = grid(count, height, width)
    down_NHW, right_NHW = rows_NHW - (height - 1) / 2, columns_NHW - (width - 1) / 2
    from_rows = np.cos(angle_N11) * down_NHW + np.sin(angle_N11) * right_NHW + (height - 1) / 2
    from_columns = np.cos(angle_N11) * right_NHW - np.sin(angle_N11) * down_NHW + (width - 1) / 2
    rotated_NHWC = sample_bilinear(images_NHWC.astype(np.float64), from_rows, from_columns)
    return np.asarray(np.rint(rotated_NHWC.clip(0, 255)), np.uint8)
