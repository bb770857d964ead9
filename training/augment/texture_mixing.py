"""Texture mixing: mixes an image with a texture from a patch of another image of the same class, so the label is valid.

Similar to PixMix (Hendrycks et al. 2022, "PixMix: Dreamlike Pictures Comprehensively Improve Safety Measures"), with
textures from training images instead of fractals.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

_PATCH = (0.125, 0.5)
"""Range of the side of the repeated patch, as a share of the image's side."""
_SCALE = (0.5, 2.0)
"""Range of the scale factor of the patch in the texture."""
_MAX_SHARE = 0.5
"""Maximum share of the texture."""


def mix_textures(images_NCHW: Tensor, others_NCHW: Tensor, generator: torch.Generator) -> Tensor:
    """Mix every image with a texture, by arithmetic or geometric mean with equal probability.

    Args:
        images_NCHW: uint8 [N, 3, H, W].
        others_NCHW: uint8 [N, 3, H, W], sources of the textures.
        generator: random generator on the device of the images.

    Returns:
        uint8 [N, 3, H, W].
    """
    N = len(images_NCHW)
    device = images_NCHW.device
    values_NCHW = images_NCHW.to(torch.float32)
    textures_NCHW = _textures(others_NCHW.to(torch.float32), generator)
    share_N111 = _MAX_SHARE * torch.rand(N, 1, 1, 1, generator=generator, device=device)
    sums_NCHW = torch.lerp(values_NCHW, textures_NCHW, share_N111)
    # Adding 1 keeps a black pixel from staying black with any texture.
    logarithms_NCHW = torch.lerp((values_NCHW + 1).log(), (textures_NCHW + 1).log(), share_N111)
    products_NCHW = logarithms_NCHW.exp() - 1
    geometric_N111 = torch.rand(N, 1, 1, 1, generator=generator, device=device) < 0.5
    mixed_NCHW = torch.where(geometric_N111, products_NCHW, sums_NCHW)
    return mixed_NCHW.round_().clamp_(0, 255).to(torch.uint8)


def _textures(values_NCHW: Tensor, generator: torch.Generator) -> Tensor:
    """Textures float32 [N, 3, H, W]: a random patch of each image, rotated, scaled and repeated by reflection."""
    N, _, H, W = values_NCHW.shape
    device = values_NCHW.device
    uniform_5N = torch.rand(5, N, generator=generator, device=device)
    # Coordinates of `grid_sample`: the image spans -1 to 1.
    side_N = 2 * (_PATCH[0] + (_PATCH[1] - _PATCH[0]) * uniform_5N[0])
    left_N, top_N = (-1 + (2 - side_N) * uniform_5N[row] for row in (1, 2))
    scale_N = _SCALE[0] * (_SCALE[1] / _SCALE[0]) ** uniform_5N[3]
    angle_N = 2 * math.pi * uniform_5N[4]
    x_W = (2 * torch.arange(W, device=device) + 1) / W - 1
    y_H = (2 * torch.arange(H, device=device) + 1) / H - 1
    cosine_N11, sine_N11 = (part[:, None, None] / scale_N[:, None, None] for part in (angle_N.cos(), angle_N.sin()))
    along_NHW = cosine_N11 * x_W + sine_N11 * y_H[:, None]
    across_NHW = cosine_N11 * y_H[:, None] - sine_N11 * x_W
    side_N11 = side_N[:, None, None]
    grid_NHW2 = torch.stack(
        [
            left_N[:, None, None] + _reflected(along_NHW, side_N11),
            top_N[:, None, None] + _reflected(across_NHW, side_N11),
        ],
        dim=-1,
    )
    return functional.grid_sample(values_NCHW, grid_NHW2, padding_mode="border", align_corners=False)


def _reflected(coordinates: Tensor, side: Tensor) -> Tensor:
    """Fold coordinates into [0, side] by reflection at both ends."""
    return side - (coordinates.remainder(2 * side) - side).abs()
