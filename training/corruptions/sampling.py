"""Reading images between pixels, many at a time, with mirrored borders."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def sample_bilinear(images_NHWC: Floats, rows_NHW: Floats, columns_NHW: Floats) -> Floats:
    """The images at these places, float64 [N, H, W, C]; beyond the border pixels are mirrored, the outermost once.

    Args:
        images_NHWC: float [N, H, W, C].
        rows_NHW: for each pixel of the result the row that it is taken from, in pixels from the first one's center.
        columns_NHW: its column.
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
    """Each image at whole rows and columns of its own."""
    images_N11 = np.arange(len(images_NHWC))[:, None, None]
    return np.asarray(images_NHWC[images_N11, rows_NHW, columns_NHW], np.float64)


def mirrored(places: npt.NDArray[np.generic], size: int) -> npt.NDArray[np.intp]:
    """Places 0 to size - 1 for any whole ones: ... 2 1 0 1 2 ... as at a mirror that stands on the outermost pixel."""
    if size == 1:
        return np.zeros(places.shape, np.intp)
    period = 2 * (size - 1)
    within = np.asarray(places, np.float64) % period
    return np.asarray(np.minimum(within, period - within), np.intp)


def grid(images: int, height: int, width: int) -> tuple[Floats, Floats]:
    """Row and column of each pixel of N images, float64 [N, H, W]."""
    rows_HW, columns_HW = np.mgrid[0:height, 0:width].astype(np.float64)
    shape = (images, height, width)
    return np.broadcast_to(rows_HW, shape), np.broadcast_to(columns_HW, shape)
