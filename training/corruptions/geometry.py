"""Bilinear sampling, shifts by whole pixels and rotations about the center, with mirrored borders."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

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


Floats = npt.NDArray[np.float64]


def sample_bilinear(images_NHWC: Floats, rows_NHW: Floats, columns_NHW: Floats) -> Floats:
    """Sample images bilinearly, float64 [N, H, W, C]. Borders are mirrored without repeating the edge pixel.

    Args:
        images_NHWC: float [N, H, W, C].
        rows_NHW: float [N, H, W], row coordinates, 0 at the center of the first row.
        columns_NHW: float [N, H, W], column coordinates.
    """
    _, height, width, _ = images_NHWC.shape
    top_NHW, left_NHW = np.floor(rows_NHW), np.floor(columns_NHW)
    down_NHW1, right_NHW1 = (rows_NHW - top_NHW)[..., None], (columns_NHW - left_NHW)[..., None]
    result_NHWC = np.zeros_like(images_NHWC, dtype=np.float64)
    for below in (0, 1):
        for beside in (0, 1):
            weight_NHW1 = (down_NHW1 if below else 1 - down_NHW1) * (right_NHW1 if beside else 1 - right_NHW1)
            result_NHWC += weight_NHW1 * take(
                images_NHWC, mirrored(top_NHW + below, height), mirrored(left_NHW + beside, width)
            )
    return result_NHWC


def take(
    images_NHWC: npt.NDArray[np.generic], rows_NHW: npt.NDArray[np.intp], columns_NHW: npt.NDArray[np.intp]
) -> Floats:
    """Gather pixels at integer coordinates, per image."""
    images_N11 = np.arange(len(images_NHWC))[:, None, None]
    return np.asarray(images_NHWC[images_N11, rows_NHW, columns_NHW], np.float64)


def mirrored(coordinates: npt.NDArray[np.generic], size: int) -> npt.NDArray[np.intp]:
    """Map integer coordinates to 0..size - 1 by reflection: ... 2 1 0 1 2 ..."""
    if size == 1:
        return np.zeros(coordinates.shape, np.intp)
    period = 2 * (size - 1)
    within = np.asarray(coordinates, np.float64) % period
    return np.asarray(np.minimum(within, period - within), np.intp)


def grid(images: int, height: int, width: int) -> tuple[Floats, Floats]:
    """Row and column coordinates of each pixel, float64 [N, H, W] each."""
    rows_HW, columns_HW = np.mgrid[0:height, 0:width].astype(np.float64)
    shape = (images, height, width)
    return np.broadcast_to(rows_HW, shape), np.broadcast_to(columns_HW, shape)
