"""CutMix: a rectangle of an image is replaced by that of another one, and labels are mixed by area (Yun et al. 2019).

Images are packed, int32 [N, H, W]; see `training.augment.packed_pixels`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class CutMixBoxes:
    """One rectangle per image; empty for images without CutMix.

    Attributes:
        top_N: int64 [N], first row.
        bottom_N: int64 [N], row after the last one.
        left_N: int64 [N], first column.
        right_N: int64 [N], column after the last one.
        kept_N: float32 [N], share of the image outside the rectangle.
    """

    top_N: Tensor
    bottom_N: Tensor
    left_N: Tensor
    right_N: Tensor
    kept_N: Tensor


def draw_boxes(count: int, height: int, width: int, share: float, generator: torch.Generator) -> CutMixBoxes:
    """Draw rectangles for about `share` of `count` images.

    The center is uniform in the image, and the aspect ratio is that of the image. The area, before clipping at the
    edges, is uniform between zero and that of the image.
    """
    uniform_4N = torch.rand(4, count, generator=generator, device=generator.device)
    side_N = uniform_4N[0].sqrt() * (uniform_4N[1] < share)
    top_N, bottom_N = _interval(uniform_4N[2] * height, side_N * height, height)
    left_N, right_N = _interval(uniform_4N[3] * width, side_N * width, width)
    area_N = (bottom_N - top_N) * (right_N - left_N)
    return CutMixBoxes(top_N, bottom_N, left_N, right_N, 1 - area_N.to(torch.float32) / (height * width))


def _interval(center_N: Tensor, length_N: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Start and end (exclusive) of intervals clipped to [0, size], int64 [N] each."""
    first_N = (center_N - length_N / 2).round()
    last_N = first_N + length_N.round()
    return first_N.clamp(0, size).long(), last_N.clamp(0, size).long()


def apply_cutmix(images_NHW: Tensor, boxes: CutMixBoxes, partner_N: Tensor) -> Tensor:
    """Copy the rectangle of image `partner_N`, int64 [N], into each image; int32 [N, H, W]."""
    _, H, W = images_NHW.shape
    rows_H, columns_W = (torch.arange(length, device=images_NHW.device) for length in (H, W))
    in_rows_NH = (rows_H >= boxes.top_N[:, None]) & (rows_H < boxes.bottom_N[:, None])
    in_columns_NW = (columns_W >= boxes.left_N[:, None]) & (columns_W < boxes.right_N[:, None])
    return torch.where(in_rows_NH[:, :, None] & in_columns_NW[:, None, :], images_NHW[partner_N], images_NHW)
