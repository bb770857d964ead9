"""Random changes of whole batches: one gather for all images instead of a loop over samples.

Images are packed, int32 [N, H, W]; see `training.augment.packed_pixels`. Every function draws from the generator it is
given, in a fixed order, so that a seed decides the pictures.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from core.recipes import Augmentation


@dataclass(frozen=True)
class ShiftFlip:
    """How each image of a batch is shifted and then mirrored.

    Attributes:
        top_N: int64 [N], first row of the image's window into the picture padded by `reach`: 0 to 2 * reach.
        left_N: int64 [N], the same for columns.
        mirrored_N: bool [N].
        reach: largest shift in pixels.
    """

    top_N: Tensor
    left_N: Tensor
    mirrored_N: Tensor
    reach: int

    def __getitem__(self, index_N: Tensor) -> ShiftFlip:
        """Those at these positions."""
        return ShiftFlip(self.top_N[index_N], self.left_N[index_N], self.mirrored_N[index_N], self.reach)

    def to(self, device: torch.device) -> ShiftFlip:
        """The same on another device."""
        return ShiftFlip(self.top_N.to(device), self.left_N.to(device), self.mirrored_N.to(device), self.reach)


def draw_shift_flip(
    count: int, config: Augmentation, generator: torch.Generator, mirrored_N: Tensor | None = None
) -> ShiftFlip:
    """A view for each of `count` images: shifted as far as `config` says, mirrored with probability one half.

    Args:
        count: number of images.
        config: which changes, and how strong.
        generator: source of all randomness.
        mirrored_N: bool [N], which images to mirror instead of drawing it.
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


def apply_shift_flip(images_NHW: Tensor, views: ShiftFlip) -> Tensor:
    """int32 [N, H, W] -> int32 [N, H, W]: shifted, what moves in being the reflected edge; then mirrored."""
    N, H, W = images_NHW.shape
    device = images_NHW.device
    if views.reach:
        rows_NH = views.top_N[:, None] + torch.arange(H, device=device)
        first_N1 = H * torch.arange(N, device=device)[:, None]
        places_R = (first_N1 + _reflected(H, views.reach, device)[rows_NH]).flatten()
        images_NHW = images_NHW.reshape(N * H, W).index_select(0, places_R).view(N, H, W)
    columns_NW = views.left_N[:, None] + torch.arange(W, device=device)
    columns_NW = torch.where(views.mirrored_N[:, None], columns_NW.flip(1), columns_NW)
    columns_NW = _reflected(W, views.reach, device)[columns_NW]
    return images_NHW.gather(2, columns_NW[:, None, :].expand(N, H, W))


def _reflected(length: int, reach: int, device: torch.device) -> Tensor:
    """int64 [length + 2 * reach]: which pixel each one of the padded line shows; the edge itself is shown once."""
    places = torch.arange(-reach, length + reach, device=device).abs()
    return torch.where(places >= length, 2 * (length - 1) - places, places)


@dataclass(frozen=True)
class Cutout:
    """Where one square per image lies that is painted over (DeVries & Taylor 2017).

    `top_N` and `left_N`, int64 [N], are its first row and column, `side` is in pixels.
    Its center is anywhere in the image, so that it may stick out over an edge.
    """

    top_N: Tensor
    left_N: Tensor
    side: int

    def __getitem__(self, index_N: Tensor) -> Cutout:
        """Those at these positions."""
        return Cutout(self.top_N[index_N], self.left_N[index_N], self.side)

    def to(self, device: torch.device) -> Cutout:
        """The same on another device."""
        return Cutout(self.top_N.to(device), self.left_N.to(device), self.side)


def draw_cutout(count: int, height: int, width: int, side: int, generator: torch.Generator) -> Cutout:
    """A `side` x `side` square for each of `count` images."""
    device = generator.device
    top_N = torch.randint(0, height, (count,), generator=generator, device=device) - side // 2
    left_N = torch.randint(0, width, (count,), generator=generator, device=device) - side // 2
    return Cutout(top_N, left_N, side)


def apply_cutout(images_NHW: Tensor, cutout: Cutout, fill: Tensor) -> Tensor:
    """The images with each one's square in the color `fill`, packed as they are, int32 []."""
    _, H, W = images_NHW.shape
    device = images_NHW.device
    top_N, left_N, side = cutout.top_N[:, None], cutout.left_N[:, None], cutout.side
    rows_H, columns_W = torch.arange(H, device=device), torch.arange(W, device=device)
    in_rows_NH = (rows_H >= top_N) & (rows_H < top_N + side)
    in_columns_NW = (columns_W >= left_N) & (columns_W < left_N + side)
    return torch.where(in_rows_NH[:, :, None] & in_columns_NW[:, None, :], fill, images_NHW)


def mixing_shares(count: int, alpha: float, generator: torch.Generator) -> Tensor:
    """float32 [N]: the share that each image keeps when it is mixed with another (Zhang et al. 2018).

    Drawn from Beta(alpha, alpha) and at least one half, so that an image stays what it mostly is.
    """
    # The ratio of two Gamma variables is a Beta variable; with a generator torch draws no other way.
    gamma_2N = torch._standard_gamma(torch.full((2, count), alpha, device=generator.device), generator=generator)
    share_N = gamma_2N[0] / gamma_2N.sum(0).clamp_min(torch.finfo(torch.float32).tiny)
    return torch.maximum(share_N, 1 - share_N)
