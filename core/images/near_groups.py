"""Groups of near duplicates in an image folder: copies of one photograph, which belong in one part of the split.

In folders of up to `_COMPARED_DIRECTLY` images, two images are near duplicates if their pixels correlate by at least
`_CORRELATION`; one of them may be mirrored. Larger folders use the search of `core.images.near_duplicates`, whose
whitening needs many images.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from core.images.near_duplicates import NearDuplicateIndex, centered

_COMPARED_DIRECTLY = 2_000
_CORRELATION = 0.95
"""Re-encoded and resized copies are above it, different photographs of similar objects below."""
_SIDE = 32
"""Images are compared at most at this size in pixels."""


def near_groups(images_NHWC: npt.NDArray[np.uint8], keys_N: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """Group of each image, int64 [N]: the position of the group's first image in the order of the keys.

    Every image of a group is a near duplicate of its first image, so that no chain of similar images joins different
    ones. An image without near duplicates is a group of one.

    Args:
        images_NHWC: uint8 [N, H, W, 3], square.
        keys_N: uint64 [N], different keys of the images.
    """
    reduced_NHWC = _reduced(images_NHWC)
    near: dict[int, set[int]] = defaultdict(set)
    for first, second in _pairs(reduced_NHWC):
        near[first].add(second)
        near[second].add(first)
    group_N = np.full(len(keys_N), -1, dtype=np.int64)
    for position in np.argsort(keys_N).tolist():
        if group_N[position] < 0:
            members = [position, *(other for other in near.get(position, ()) if group_N[other] < 0)]
            group_N[members] = position
    return group_N


def _pairs(images_NHWC: npt.NDArray[np.uint8]) -> Iterable[tuple[int, int]]:
    if len(images_NHWC) > _COMPARED_DIRECTLY:
        found = NearDuplicateIndex(images_NHWC).lookup(images_NHWC)
        first_P, second_P = found.query_P, found.reference_P
    else:
        pixels_ND, mirrored_ND = centered(images_NHWC), centered(images_NHWC[:, :, ::-1])
        first_P, second_P = np.nonzero(np.maximum(pixels_ND @ pixels_ND.T, pixels_ND @ mirrored_ND.T) >= _CORRELATION)
    different_P = first_P != second_P
    return zip(first_P[different_P].tolist(), second_P[different_P].tolist(), strict=True)


def _reduced(images_NHWC: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Images averaged down to `_SIDE` pixels; smaller images are returned unchanged."""
    side = images_NHWC.shape[1]
    if side <= _SIDE:
        return images_NHWC
    edges = np.arange(_SIDE) * side // _SIDE
    areas_HW1 = np.outer(*[np.diff(edges, append=side)] * 2)[:, :, None]
    reduced_NHWC = np.empty((len(images_NHWC), _SIDE, _SIDE, 3), dtype=np.uint8)
    for position, image_HWC in enumerate(images_NHWC):
        rows_HWC = np.add.reduceat(image_HWC, edges, axis=0, dtype=np.int64)
        reduced_NHWC[position] = np.add.reduceat(rows_HWC, edges, axis=1) // areas_HW1
    return reduced_NHWC
