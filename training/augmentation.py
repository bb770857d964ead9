"""Random changes of whole batches: one gather for all images instead of a loop over samples.

Every function draws from the generator it is given, in a fixed order, so that a seed decides the pictures.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from core.recipes import Augmentation


@dataclass(frozen=True)
class Views:
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

    def __getitem__(self, index_N: Tensor) -> Views:
        """Those at these positions."""
        return Views(self.top_N[index_N], self.left_N[index_N], self.mirrored_N[index_N], self.reach)

    def to(self, device: torch.device) -> Views:
        """The same on another device."""
        return Views(self.top_N.to(device), self.left_N.to(device), self.mirrored_N.to(device), self.reach)


def draw_views(count: int, config: Augmentation, generator: torch.Generator, mirrored_N: Tensor | None = None) -> Views:
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
    return Views(top_N, left_N, mirrored_N, config.translate)


def take_views(images_NHWC: Tensor, views: Views) -> Tensor:
    """uint8 [N, H, W, 3] -> uint8 [N, H, W, 3]: shifted, what moves in being the reflected edge; then mirrored."""
    if views.reach:
        images_NHWC = _shifted(images_NHWC, views)
    return torch.where(views.mirrored_N[:, None, None, None], images_NHWC.flip(2), images_NHWC)


def _shifted(images_NHWC: Tensor, views: Views) -> Tensor:
    N, H, W, _ = images_NHWC.shape
    padded_NCHW = functional.pad(images_NHWC.permute(0, 3, 1, 2), (views.reach,) * 4, mode="reflect")
    # A view of every possible window: [N, C, 2p+1, 2p+1, H, W].
    windows = padded_NCHW.unfold(2, H, 1).unfold(3, W, 1)
    index_N = torch.arange(N, device=images_NHWC.device)
    return windows[index_N, :, views.top_N, views.left_N].permute(0, 2, 3, 1).contiguous()


@dataclass(frozen=True)
class Squares:
    """Where one square per image lies that is painted over (DeVries & Taylor 2017).

    `top_N` and `left_N`, int64 [N], are its first row and column, `side` is in pixels.
    Its centre is anywhere in the image, so that it may stick out over an edge.
    """

    top_N: Tensor
    left_N: Tensor
    side: int

    def __getitem__(self, index_N: Tensor) -> Squares:
        """Those at these positions."""
        return Squares(self.top_N[index_N], self.left_N[index_N], self.side)

    def to(self, device: torch.device) -> Squares:
        """The same on another device."""
        return Squares(self.top_N.to(device), self.left_N.to(device), self.side)


def draw_squares(count: int, height: int, width: int, side: int, generator: torch.Generator) -> Squares:
    """A `side` x `side` square for each of `count` images."""
    device = generator.device
    top_N = torch.randint(0, height, (count,), generator=generator, device=device) - side // 2
    left_N = torch.randint(0, width, (count,), generator=generator, device=device) - side // 2
    return Squares(top_N, left_N, side)


def paint(images_NHWC: Tensor, squares: Squares, fill_C: Tensor) -> Tensor:
    """The images with each one's square in the colour `fill_C`, uint8 [3]."""
    _, H, W, _ = images_NHWC.shape
    device = images_NHWC.device
    top_N, left_N, side = squares.top_N[:, None], squares.left_N[:, None], squares.side
    rows_H, columns_W = torch.arange(H, device=device), torch.arange(W, device=device)
    in_rows_NH = (rows_H >= top_N) & (rows_H < top_N + side)
    in_columns_NW = (columns_W >= left_N) & (columns_W < left_N + side)
    square_NHW1 = (in_rows_NH[:, :, None] & in_columns_NW[:, None, :])[..., None]
    return torch.where(square_NHW1, fill_C, images_NHWC)


def mixing_shares(count: int, alpha: float, generator: torch.Generator) -> Tensor:
    """float32 [N]: the share that each image keeps when it is mixed with another (Zhang et al. 2018).

    Drawn from Beta(alpha, alpha) and at least one half, so that an image stays what it mostly is.
    """
    # The ratio of two Gamma variables is a Beta variable; with a generator torch draws no other way.
    gamma_2N = torch._standard_gamma(torch.full((2, count), alpha, device=generator.device), generator=generator)
    share_N = gamma_2N[0] / gamma_2N.sum(0).clamp_min(torch.finfo(torch.float32).tiny)
    return torch.maximum(share_N, 1 - share_N)
