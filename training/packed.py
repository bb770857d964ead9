"""Pictures as one number per pixel, so that moving a pixel moves four bytes at once instead of three times one.

The bytes of an int32 are red, green, blue and one that is always zero.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def pack(colours: Tensor) -> Tensor:
    """uint8 [..., 3] -> int32 [...]."""
    return functional.pad(colours, (0, 1)).view(torch.int32).squeeze(-1)


def unpack(packed: Tensor) -> Tensor:
    """int32 [...] -> uint8 [..., 3], a view: what `pack` was given."""
    return packed.unsqueeze(-1).view(torch.uint8)[..., :3]


def scale_packed(packed: Tensor) -> Tensor:
    """int32 [...] -> float32 [..., 4]: each pixel's colours in [0, 1] as `scale_pixels` has them, and a zero.

    With the zero every pixel fills a vector register's lane; it is for the caller to cut it off at the end.
    """
    return packed.unsqueeze(-1).view(torch.uint8).to(torch.float32).div_(255)
