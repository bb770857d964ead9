"""Stretching and turning whole batches of images: one gather for all of them, between pixels.

Images are packed, int32 [N, H, W]; see `training.augment.packed_pixels`. Dense layers know nothing of where pixels lie,
so that they have to be shown what a small turn does (Lin et al. 2015, "How far can we go without convolution").
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
    """How each image of a batch is stretched and then turned about its center.

    Attributes:
        angle_N: float32 [N], radians.
        height_N: float32 [N], by what the image's height is multiplied.
        width_N: float32 [N], the same for its width.
    """

    angle_N: Tensor
    height_N: Tensor
    width_N: Tensor

    def __getitem__(self, index_N: Tensor | slice) -> Warps:
        """Those at these positions."""
        return Warps(self.angle_N[index_N], self.height_N[index_N], self.width_N[index_N])

    def to(self, device: torch.device) -> Warps:
        """The same on another device."""
        return Warps(self.angle_N.to(device), self.height_N.to(device), self.width_N.to(device))


def draw_warps(count: int, config: Augmentation, generator: torch.Generator) -> Warps:
    """A warp for each of `count` images: angle, height and width each uniform within what `config` allows."""
    uniform_3N = 2 * torch.rand(3, count, generator=generator, device=generator.device) - 1
    angle_N = math.radians(config.rotate) * uniform_3N[0]
    height_N, width_N = 1 + config.stretch * uniform_3N[1:]
    return Warps(angle_N, height_N, width_N)


def warp(images_NHW: Tensor, warps: Warps) -> Tensor:
    """int32 [N, H, W] -> int32 [N, H, W]: interpolated linearly, what moves in being the reflected edge."""
    warped_NHW = torch.empty_like(images_NHW)
    for part in chunks(images_NHW):
        warped_NHW[part] = _warp(images_NHW[part], warps[part])
    return warped_NHW


def _warp(images_NHW: Tensor, warps: Warps) -> Tensor:
    planes_N3HW = unpack(images_NHW).permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format)
    # Half a step up, so that cutting off what is behind the point rounds.
    planes_N3HW.add_(0.5)
    grid_NHW2 = _sources(warps, *images_NHW.shape[1:])
    warped_N3HW = functional.grid_sample(planes_N3HW, grid_NHW2, padding_mode="reflection", align_corners=False)
    red, green, blue = warped_N3HW.to(torch.int32).unbind(1)
    return red.add_(green.bitwise_left_shift_(8)).add_(blue.bitwise_left_shift_(16))


def _sources(warps: Warps, height: int, width: int) -> Tensor:
    """float32 [N, H, W, 2]: from where in the image each place of the picture comes, as `grid_sample` has places.

    It measures both axes from -1 to 1, column before row, so that a turn of an image that is not square needs the ratio
    of its sides. `affine_grid` makes the same by a matrix product, which takes longer than the interpolation.
    """
    x_W, y_H = _centers(width, warps.angle_N.device), _centers(height, warps.angle_N.device)
    cosine_N, sine_N = warps.angle_N.cos(), warps.angle_N.sin()
    columns_N, rows_N = 1 / warps.width_N, 1 / warps.height_N
    # Both numbers of a place as one complex number, so that they are added at once.
    per_column_N = torch.complex(columns_N * cosine_N, rows_N * sine_N * width / height)
    per_row_N = torch.complex(columns_N * -sine_N * height / width, rows_N * cosine_N)
    grid_NHW = (per_column_N[:, None] * x_W)[:, None, :] + (per_row_N[:, None] * y_H)[:, :, None]
    return torch.view_as_real(grid_NHW)


def _centers(length: int, device: torch.device) -> Tensor:
    """float32 [length]: middles of the pixels of a line that goes from -1 to 1."""
    return (2 * torch.arange(length, device=device) + 1) / length - 1
