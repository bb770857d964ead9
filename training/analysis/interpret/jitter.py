"""Small random changes of a view, so that an image must please the network from wherever it is seen."""

from __future__ import annotations

import math

import torch
from torch import Tensor

SHIFT = 2.0
"""Pixels, at most, either way."""
TURN = 5.0
"""Degrees."""
ZOOM = 0.05
"""Share of the size."""


def jittered(pixels_SHWC: Tensor, random: torch.Generator) -> Tensor:
    """Each image shifted, turned, scaled and, every second time on average, mirrored; same shape, differentiable.

    Args:
        pixels_SHWC: float [S, H, W, 3].
        random: the source of chance.
    """
    images, height, width, _ = pixels_SHWC.shape
    reaches = (math.radians(TURN), ZOOM, 2 * SHIFT / width, 2 * SHIFT / height)
    angle, zoom, right, down = (reach * (2 * torch.rand(images, generator=random) - 1) for reach in reaches)
    mirror = torch.where(torch.rand(images, generator=random) < 0.5, -1.0, 1.0)
    cos, sin = (1 + zoom) * torch.cos(angle), (1 + zoom) * torch.sin(angle)
    rows = [torch.stack([mirror * cos, -sin, right], dim=1), torch.stack([mirror * sin, cos, down], dim=1)]
    grid = torch.nn.functional.affine_grid(torch.stack(rows, dim=1), [images, 3, height, width], align_corners=False)
    seen = torch.nn.functional.grid_sample(
        pixels_SHWC.permute(0, 3, 1, 2), grid, mode="bilinear", padding_mode="reflection", align_corners=False
    )
    return seen.permute(0, 2, 3, 1)
