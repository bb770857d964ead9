"""Random shift, horizontal flip, cutout and mixup shares, for whole batches.

Images are packed, int32 [N, H, W]; see `training.augment.packed_pixels`. Every function draws from the given generator
in a fixed order, so that the seed determines the result.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from core.recipes import Augmentation


@dataclass(frozen=True)
class ShiftFlip:
    """Parameters of random shift (crop from a padded image) and horizontal flip, one per image.

    Attributes:
        top_N: int64 [N], first row of the crop from the image padded by `reach`, 0 to 2 * reach.
        left_N: int64 [N], first column of the crop.
        mirrored_N: bool [N], images to flip after the crop.
        reach: maximum shift in pixels.
    """

    top_N: Tensor
    left_N: Tensor
    mirrored_N: Tensor
    reach: int


def draw_shift_flip(
    count: int, config: Augmentation, generator: torch.Generator, mirrored_N: Tensor | None = None
) -> ShiftFlip:
    """Draw shifts of up to `config.translate` pixels and flips with probability 1/2 for `count` images.

    With `mirrored_N`, bool [N], flips are not drawn: it says which images to flip.
    """
    device = generator.device
    top_N = left_N = torch.zeros(count, dtype=torch.int64, device=device)
    if config.translate:
        top_N, left_N = torch.randint(0, 2 * config.translate + 1, (2, count), generator=generator, device=device)
    if mirrored_N is None:
        mirrored_N = torch.zeros(count, dtype=torch.bool, device=device)
        if config.flip:
            mirrored_N = torch.rand(count, generator=generator, device=device) < 0.5
    return ShiftFlip(top_N, left_N, mirrored_N, config.translate)


def apply_shift_flip(images_NHW: Tensor, shift_flip: ShiftFlip) -> Tensor:
    """Shift with reflection padding, then flip: int32 [N, H, W] -> int32 [N, H, W]."""
    N, H, W = images_NHW.shape
    device = images_NHW.device
    if shift_flip.reach:
        rows_NH = shift_flip.top_N[:, None] + torch.arange(H, device=device)
        first_N1 = H * torch.arange(N, device=device)[:, None]
        rows_R = (first_N1 + _reflected(H, shift_flip.reach, device)[rows_NH]).flatten()
        images_NHW = images_NHW.reshape(N * H, W).index_select(0, rows_R).view(N, H, W)
    columns_NW = shift_flip.left_N[:, None] + torch.arange(W, device=device)
    columns_NW = torch.where(shift_flip.mirrored_N[:, None], columns_NW.flip(1), columns_NW)
    columns_NW = _reflected(W, shift_flip.reach, device)[columns_NW]
    return images_NHW.gather(2, columns_NW[:, None, :].expand(N, H, W))


def _reflected(length: int, reach: int, device: torch.device) -> Tensor:
    """Source index of each element of a line with reflection padding, int64 [length + 2 * reach]."""
    index = torch.arange(-reach, length + reach, device=device).abs()
    return torch.where(index >= length, 2 * (length - 1) - index, index)


@dataclass(frozen=True)
class Cutout:
    """Parameters of cutout: one square per image that is filled with a color (DeVries & Taylor 2017).

    The center is uniform in the image, so that the square may extend over an edge.

    Attributes:
        top_N: int64 [N], first row; may be negative.
        left_N: int64 [N], first column; may be negative.
        side: side of the square in pixels.
    """

    top_N: Tensor
    left_N: Tensor
    side: int


def draw_cutout(count: int, height: int, width: int, side: int, generator: torch.Generator) -> Cutout:
    """Draw a `side` x `side` square for each of `count` images."""
    device = generator.device
    top_N = torch.randint(0, height, (count,), generator=generator, device=device) - side // 2
    left_N = torch.randint(0, width, (count,), generator=generator, device=device) - side // 2
    return Cutout(top_N, left_N, side)


def apply_cutout(images_NHW: Tensor, cutout: Cutout, fill: Tensor) -> Tensor:
    """Fill the square of each image, int32 [N, H, W], with the packed color `fill`, int32 []."""
    _, H, W = images_NHW.shape
    device = images_NHW.device
    top_N, left_N, side = cutout.top_N[:, None], cutout.left_N[:, None], cutout.side
    rows_H, columns_W = torch.arange(H, device=device), torch.arange(W, device=device)
    in_rows_NH = (rows_H >= top_N) & (rows_H < top_N + side)
    in_columns_NW = (columns_W >= left_N) & (columns_W < left_N + side)
    return torch.where(in_rows_NH[:, :, None] & in_columns_NW[:, None, :], fill, images_NHW)


def draw_mixup_shares(count: int, alpha: float, generator: torch.Generator) -> Tensor:
    """Mixup shares of the images themselves, float32 [N] (Zhang et al. 2018).

    Drawn from Beta(alpha, alpha); a share below 1/2 is replaced by 1 minus the share.
    """
    # X / (X + Y) of two Gamma variables follows a Beta distribution, which torch cannot draw from a generator.
    gamma_2N = torch._standard_gamma(torch.full((2, count), alpha, device=generator.device), generator=generator)
    share_N = gamma_2N[0] / gamma_2N.sum(0).clamp_min(torch.finfo(torch.float32).tiny)
    return torch.maximum(share_N, 1 - share_N)
