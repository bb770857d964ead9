"""Turning and stretching whole batches of images: one gather for all of them, between pixels.

Images are packed, int32 [N, H, W]; see `training.packed`. Dense layers know nothing of where pixels lie, so that they
have to be shown what a small turn does (Lin et al. 2015, "How far can we go without convolution").
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from core.recipes import Augmentation
from training.packed import pack, scale_packed

_CHUNK = 1_000
"""Images that are changed at a time: float32 takes four times the room of the packed images."""


@dataclass(frozen=True)
class Warps:
    """How each image of a batch is turned about its centre and stretched.

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
    parts = [
        _warp(images_NHW[start : start + _CHUNK], warps[start : start + _CHUNK])
        for start in range(0, len(images_NHW), _CHUNK)
    ]
    return torch.cat(parts)


def _warp(images_NHW: Tensor, warps: Warps) -> Tensor:
    N, H, W = images_NHW.shape
    pixels_N3HW = scale_packed(images_NHW)[..., :3].permute(0, 3, 1, 2)
    grid_NHW2 = functional.affine_grid(_sources(warps, H, W), [N, 3, H, W], align_corners=False)
    warped_N3HW = functional.grid_sample(pixels_N3HW, grid_NHW2, padding_mode="reflection", align_corners=False)
    return pack((warped_N3HW * 255).round_().to(torch.uint8).permute(0, 2, 3, 1).contiguous())


def _sources(warps: Warps, height: int, width: int) -> Tensor:
    """float32 [N, 2, 3]: from where in the image each place of the picture comes, as `affine_grid` has places.

    It measures both axes from -1 to 1, so that a turn of an image that is not square needs the ratio of its sides.
    """
    cosine_N, sine_N = warps.angle_N.cos(), warps.angle_N.sin()
    none_N = torch.zeros_like(cosine_N)
    x_N3 = torch.stack([cosine_N, -sine_N * height / width, none_N], 1) / warps.width_N[:, None]
    y_N3 = torch.stack([sine_N * width / height, cosine_N, none_N], 1) / warps.height_N[:, None]
    return torch.stack([x_N3, y_N3], 1)
