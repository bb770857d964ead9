"""Random scaling and rotation of whole batches, with bilinear interpolation.

Images are packed, int32 [N, H, W]; see `training.augment.packed_pixels`. This augmentation helps dense layers, which
have no built-in notion of the position of pixels (Lin et al. 2015, "How far can we go without convolution").
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from core.recipes import Augmentation
from training.augment.packed_pixels import chunks, unpack


@dataclass(frozen=True)
class Warps:
    """Parameters of scaling and then rotation about the center, one per image.

    Attributes:
        angle_N: float32 [N], radians.
        height_N: float32 [N], scale factor of the height.
        width_N: float32 [N], scale factor of the width.
    """

    angle_N: Tensor
    height_N: Tensor
    width_N: Tensor

    def __getitem__(self, index_N: Tensor | slice) -> Warps:
        """Select by position."""
        return Warps(self.angle_N[index_N], self.height_N[index_N], self.width_N[index_N])


def draw_warps(count: int, config: Augmentation, generator: torch.Generator) -> Warps:
    """Draw a warp for each of `count` images, uniform in the ranges of `config.rotate` and `config.stretch`."""
    uniform_3N = 2 * torch.rand(3, count, generator=generator, device=generator.device) - 1
    angle_N = math.radians(config.rotate) * uniform_3N[0]
    height_N, width_N = 1 + config.stretch * uniform_3N[1:]
    return Warps(angle_N, height_N, width_N)


def warp(images_NHW: Tensor, warps: Warps) -> Tensor:
    """Scale and rotate with reflection padding: int32 [N, H, W] -> int32 [N, H, W]."""
    warped_NHW = torch.empty_like(images_NHW)
    for part in chunks(images_NHW):
        warped_NHW[part] = _warp(images_NHW[part], warps[part])
    return warped_NHW


def _warp(images_NHW: Tensor, warps: Warps) -> Tensor:
    planes_N3HW = unpack(images_NHW).permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format)
    # Adding 0.5 makes the truncation to integers below round to nearest.
    planes_N3HW.add_(0.5)
    grid_NHW2 = _sources(warps, *images_NHW.shape[1:])
    warped_N3HW = functional.grid_sample(planes_N3HW, grid_NHW2, padding_mode="reflection", align_corners=False)
    red, green, blue = warped_N3HW.to(torch.int32).unbind(1)
    return red.add_(green.bitwise_left_shift_(8)).add_(blue.bitwise_left_shift_(16))


def _sources(warps: Warps, height: int, width: int) -> Tensor:
    """Sampling grid for `grid_sample`, float32 [N, H, W, 2].

    Both axes span -1 to 1, x before y, so the rotation of an image that is not square involves its aspect ratio.
    `affine_grid` computes the same by a matrix product, which takes longer than the interpolation.
    """
    x_W, y_H = _centers(width, warps.angle_N.device), _centers(height, warps.angle_N.device)
    cosine_N, sine_N = warps.angle_N.cos(), warps.angle_N.sin()
    columns_N, rows_N = 1 / warps.width_N, 1 / warps.height_N
    # x and y as one complex number, so that both are added at once.
    per_column_N = torch.complex(columns_N * cosine_N, rows_N * sine_N * width / height)
    per_row_N = torch.complex(columns_N * -sine_N * height / width, rows_N * cosine_N)
    grid_NHW = (per_column_N[:, None] * x_W)[:, None, :] + (per_row_N[:, None] * y_H)[:, :, None]
    return torch.view_as_real(grid_NHW)


def _centers(length: int, device: torch.device) -> Tensor:
    """Pixel centers of an axis that spans -1 to 1, float32 [length]."""
    return (2 * torch.arange(length, device=device) + 1) / length - 1
