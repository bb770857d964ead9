"""Layout of images in rows on a white page, with small images enlarged, as PNG."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from service.engine.arrays import Pixels
from service.saliency.png import enlarged_png

LONGER_SIDE = 256
"""Minimum longer side in pixels of an enlarged image."""
GAP = 8
"""Minimum pixels between two images."""
_WHITE = 255


def page(rows: Sequence[Sequence[Pixels]]) -> bytes:
    """Render rows of images, uint8 [h, w, 3] of any sizes, as PNG."""
    scales = [[max(1, -(-LONGER_SIDE // max(image_HWC.shape[:2]))) for image_HWC in row] for row in rows]
    common = math.gcd(*(scale for row in scales for scale in row))
    gap = -(-GAP // common)
    lines = [
        _joined(
            [_enlarged(image_HWC, scale // common) for image_HWC, scale in zip(row, each, strict=True)], gap, axis=1
        )
        for row, each in zip(rows, scales, strict=True)
    ]
    return enlarged_png(_joined(lines, gap, axis=0), common)


def _enlarged(image_HWC: Pixels, scale: int) -> Pixels:
    return image_HWC if scale == 1 else image_HWC.repeat(scale, axis=0).repeat(scale, axis=1)


def _joined(parts: Sequence[Pixels], gap: int, *, axis: int) -> Pixels:
    """Concatenate images along `axis` with white gaps, aligned at the start of the other axis."""
    across = 1 - axis
    shape = [0, 0, 3]
    shape[axis] = sum(part.shape[axis] for part in parts) + gap * (len(parts) - 1)
    shape[across] = max(part.shape[across] for part in parts)
    joined_HWC = np.full(shape, _WHITE, np.uint8)
    start = 0
    for part in parts:
        region = [slice(0, size) for size in part.shape]
        region[axis] = slice(start, start + part.shape[axis])
        joined_HWC[tuple(region)] = part
        start += part.shape[axis] + gap
    return joined_HWC
