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

    def numbers(self) -> Tensor:
        """int64 [N]: the place of each view among the `view_count` that there are."""
        side = 2 * self.reach + 1
        return (self.mirrored_N.long() * side + self.top_N) * side + self.left_N


def view_count(config: Augmentation) -> int:
    """How many views `draw_views` chooses from."""
    return (2 * config.translate + 1) ** 2 * (2 if config.flip else 1)


def numbered_views(number: int, count: int, config: Augmentation) -> Views:
    """The one view that has this `number`, for each of `count` images."""
    side = 2 * config.translate + 1
    rest, left = divmod(number, side)
    mirrored, top = divmod(rest, side)
    full = torch.full((count,), 0)
    return Views(full + top, full + left, (full + mirrored).bool(), config.translate)


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


def cutout(images_NHWC: Tensor, side: int, fill_C: Tensor, generator: torch.Generator) -> Tensor:
    """Paint one `side` x `side` square per image with `fill_C` (DeVries & Taylor 2017).

    The square's centre is anywhere in the image, so that it may stick out over an edge.
    """
    N, H, W, _ = images_NHWC.shape
    device = generator.device
    top_N = torch.randint(0, H, (N, 1), generator=generator, device=device) - side // 2
    left_N = torch.randint(0, W, (N, 1), generator=generator, device=device) - side // 2
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


def mixed(tensor_N: Tensor, share_N: Tensor) -> Tensor:
    """Each row of a float tensor [N, ...] mixed with the row before it, of which it takes one less its share."""
    share = share_N.reshape(-1, *[1] * (tensor_N.dim() - 1))
    return torch.lerp(tensor_N.roll(1, 0), tensor_N, share)
