"""Pictures as one number per pixel, so that moving a pixel moves four bytes at once instead of three times one.

The bytes of an int32 are red, green, blue and one that is always zero.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

_CHUNK = 200 * 32 * 32
"""Pixels that are worked on at a time: the float32 pictures of more do not fit the processor's cache."""
_LARGE_CHUNK = 100 * _CHUNK
"""The same on other devices, which have no such cache, but no room for a whole data set of such pictures either."""


def pack(colours: Tensor) -> Tensor:
    """uint8 [..., 3] -> int32 [...]."""
    return functional.pad(colours, (0, 1)).view(torch.int32).squeeze(-1)


def unpack(packed: Tensor) -> Tensor:
    """int32 [...] -> uint8 [..., 3], a view: what `pack` was given."""
    return packed.unsqueeze(-1).view(torch.uint8)[..., :3]


def scale_packed(packed: Tensor) -> Tensor:
    """int32 [...] -> float32 [..., 4]: each pixel's colors in [0, 1] as `scale_pixels` has them, and a zero.

    With the zero every pixel fills a vector register's lane; it is for the caller to cut it off at the end.
    """
    return packed.unsqueeze(-1).view(torch.uint8).to(torch.float32).div_(255)


def chunks(packed_NHW: Tensor) -> Iterator[slice]:
    """Parts of a batch of pictures, to be worked on one after the other."""
    N, H, W = packed_NHW.shape
    count = max(1, (_CHUNK if packed_NHW.device.type == "cpu" else _LARGE_CHUNK) // (H * W))
    for start in range(0, N, count):
        yield slice(start, start + count)
