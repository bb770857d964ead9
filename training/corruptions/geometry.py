"""Images moved by whole pixels and turned about their middle; what comes in at the border is mirrored."""

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
    """The images moved by `pixels` up, right, down or left, each of the four for every fourth image."""
    count, height, width, _ = images_NHWC.shape
    down_N11, right_N11 = (_DIRECTIONS[np.arange(count) % 4] * pixels).T[:, :, None, None]
    rows_NHW, columns_NHW = grid(count, height, width)
    rows, columns = mirrored(rows_NHW - down_N11, height), mirrored(columns_NHW - right_N11, width)
    return np.asarray(take(images_NHWC, rows, columns), np.uint8)


def rotated(images_NHWC: Pixels, degrees: float) -> Pixels:
    """The images turned by `degrees`, every second one the other way, and read between the pixels linearly."""
    count, height, width, _ = images_NHWC.shape
    angle_N11 = np.radians(degrees) * np.where(np.arange(count) % 2, -1, 1)[:, None, None]
    rows_NHW, columns_NHW = grid(count, height, width)
    down_NHW, right_NHW = rows_NHW - (height - 1) / 2, columns_NHW - (width - 1) / 2
    from_rows = np.cos(angle_N11) * down_NHW + np.sin(angle_N11) * right_NHW + (height - 1) / 2
    from_columns = np.cos(angle_N11) * right_NHW - np.sin(angle_N11) * down_NHW + (width - 1) / 2
    turned_NHWC = sample_bilinear(images_NHWC.astype(np.float64), from_rows, from_columns)
    return np.asarray(np.rint(turned_NHWC.clip(0, 255)), np.uint8)
