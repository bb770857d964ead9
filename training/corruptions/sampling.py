"""Bilinear sampling of batches of images, with mirrored borders."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

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
