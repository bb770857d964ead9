"""Packed pixels: one int32 per RGB pixel, so that a gather moves four bytes at once instead of three single ones.

The bytes of the int32 are red, green, blue and zero.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

_CHUNK = 200 * 32 * 32
"""Pixels per chunk on the CPU: more in float32 do not fit its cache."""
_LARGE_CHUNK = 100 * _CHUNK
"""Pixels per chunk on other devices, which limits the memory for a whole data set."""


def pack(colors: Tensor) -> Tensor:
    """Pack RGB pixels: uint8 [..., 3] -> int32 [...]."""
    return functional.pad(colors, (0, 1)).view(torch.int32).squeeze(-1)


def unpack(packed: Tensor) -> Tensor:
    """Inverse of `pack`, as a tensor view: int32 [...] -> uint8 [..., 3]."""
    return packed.unsqueeze(-1).view(torch.uint8)[..., :3]


def scale_packed(packed: Tensor) -> Tensor:
    """int32 [...] -> float32 [..., 4]: colors in [0, 1] like `scale_pixels`, followed by a zero.

    Four values per pixel are faster to process than three. The caller slices the zero off at the end.
    """
    return packed.unsqueeze(-1).view(torch.uint8).to(torch.float32).div_(255)


def chunks(packed_NHW: Tensor) -> Iterator[slice]:
    """Slices along the first dimension that divide a batch into chunks."""
    N, H, W = packed_NHW.shape
    count = max(1, (_CHUNK if packed_NHW.device.type == "cpu" else _LARGE_CHUNK) // (H * W))
    for start in range(0, N, count):
        yield slice(start, start + count)
