"""Groups of near duplicates in an image folder: copies of one photograph, which belong in one part of the split.

In folders of up to `_COMPARED_DIRECTLY` images, two images are near duplicates if their pixels correlate by at least
`_CORRELATION`; one of them may be mirrored. Larger folders use the search of `core.images.near_duplicates`, whose
whitening needs many images.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from core.images.near_duplicates import NearDuplicateIndex, centered

_COMPARED_DIRECTLY = 2_000
_CORRELATION = 0.95
"""Re-encoded and resized copies are above it, different photographs of similar objects below."""
_SIDE = 32
"""Images are compared at most at this size in pixels."""
_FIRST_BLOCK, _LARGEST_BLOCK = 32, 1_024
"""Images whose near duplicates are searched at once. The first block is small because it may have the most."""

Positions = npt.NDArray[np.int64]
Neighbors = Callable[[Positions, Positions], tuple[Positions, Positions]]


def near_groups(images_NHWC: npt.NDArray[np.uint8], keys_N: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """Group of each image, int64 [N]: the position of the group's first image in the order of the keys.

    Every image of a group is a near duplicate of its first image, so that no chain of similar images joins different
    ones. An image without near duplicates is a group of one.

    Only images without a group are compared, in blocks that grow. The memory is therefore bounded by the number of
    images, and not by the number of pairs, however many of the images are copies.

    Args:
        images_NHWC: uint8 [N, H, W, 3], square.
        keys_N: uint64 [N], different keys of the images.
    """
    neighbors = _neighbors(_reduced(images_NHWC))
    order_N = np.argsort(keys_N)
    group_N = np.full(len(keys_N), -1, dtype=np.int64)
    start, block = 0, _FIRST_BLOCK
    while start < len(order_N):
        firsts_M = order_N[start : start + block]
        firsts_M = firsts_M[group_N[firsts_M] < 0]
        near = _by_first(*neighbors(firsts_M, np.flatnonzero(group_N < 0)))
        for position in firsts_M.tolist():
            if group_N[position] < 0:
                members_P = near.get(position, firsts_M[:0])
                group_N[members_P[group_N[members_P] < 0]] = position
                group_N[position] = position
        start, block = start + block, min(2 * block, _LARGEST_BLOCK)
    return group_N


def _neighbors(images_NHWC: npt.NDArray[np.uint8]) -> Neighbors:
    """Function from positions [M] and [N] to the P pairs of near duplicates among them, as two arrays of positions."""
    if len(images_NHWC) > _COMPARED_DIRECTLY:
        return NearDuplicateIndex(images_NHWC).neighbors
    pixels_ND, mirrored_ND = centered(images_NHWC), centered(images_NHWC[:, :, ::-1])

    def correlated(chosen_M: Positions, others_N: Positions) -> tuple[Positions, Positions]:
        chosen_MD = pixels_ND[chosen_M]
        correlation_MN = np.maximum(chosen_MD @ pixels_ND[others_N].T, chosen_MD @ mirrored_ND[others_N].T)
        first_P, second_P = np.nonzero(correlation_MN >= _CORRELATION)
        return chosen_M[first_P], others_N[second_P]

    return correlated


def _by_first(first_P: Positions, second_P: Positions) -> dict[int, Positions]:
    """The second images of each first image."""
    order_P = np.argsort(first_P, kind="stable")
    firsts_M, starts_M = np.unique(first_P[order_P], return_index=True)
    return dict(zip(firsts_M.tolist(), np.split(second_P[order_P], starts_M[1:]), strict=True)) if len(firsts_M) else {}


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
