"""Random changes of whole batches: one gather for all images instead of a loop over samples.

Every function draws from the generator it is given, in a fixed order, so that a seed decides the pictures.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from core.recipes import Augmentation


def augment(images_NHWC: Tensor, config: Augmentation, fill_C: Tensor, generator: torch.Generator) -> Tensor:
    """uint8 [N, H, W, 3] -> uint8 [N, H, W, 3], changed at random as `config` says.

    Args:
        images_NHWC: uint8 batch; not modified.
        config: which changes, and how strong.
        fill_C: uint8 [3], the colour that cutout paints.
        generator: source of all randomness.
    """
    if config.translate:
        images_NHWC = translate(images_NHWC, config.translate, generator)
    if config.flip:
        images_NHWC = flip(images_NHWC, generator)
    if config.cutout:
        images_NHWC = cutout(images_NHWC, config.cutout, fill_C, generator)
    return images_NHWC


def flip(images_NHWC: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror each image left-right with probability one half."""
    mirrored_N = torch.rand(len(images_NHWC), generator=generator, device=generator.device) < 0.5
    return torch.where(mirrored_N[:, None, None, None], images_NHWC.flip(2), images_NHWC)


def translate(images_NHWC: Tensor, pixels: int, generator: torch.Generator) -> Tensor:
    """Shift each image by up to `pixels` along both axes; what moves in is the reflected edge."""
    N, H, W, _ = images_NHWC.shape
    padded_NCHW = functional.pad(images_NHWC.permute(0, 3, 1, 2), (pixels,) * 4, mode="reflect")
    # A view of every possible window: [N, C, 2p+1, 2p+1, H, W].
    windows = padded_NCHW.unfold(2, H, 1).unfold(3, W, 1)
    top_N, left_N = torch.randint(0, 2 * pixels + 1, (2, N), generator=generator, device=generator.device)
    index_N = torch.arange(N, device=images_NHWC.device)
    return windows[index_N, :, top_N, left_N].permute(0, 2, 3, 1).contiguous()


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
