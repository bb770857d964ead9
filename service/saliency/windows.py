"""Sliding windows of occlusion."""

from __future__ import annotations

import math

Window = tuple[slice, slice]


def windows(height: int, width: int, side: int, stride: int) -> list[Window]:
    """Square windows that cover the image, row by row, clipped at the border."""
    return [
        (slice(top, top + side), slice(left, left + side))
        for top in _starts(height, side, stride)
        for left in _starts(width, side, stride)
    ]


def count_windows(height: int, width: int, side: int, stride: int) -> int:
    """Number of `windows`."""
    return len(_starts(height, side, stride)) * len(_starts(width, side, stride))


def _starts(size: int, side: int, stride: int) -> range:
    return range(0, (math.ceil(max(size - side, 0) / stride) + 1) * stride, stride)
