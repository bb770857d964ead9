"""What augmentation does to each image of a whole data set, drawn at once so that a teacher can be asked beforehand."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from core.recipes import Augmentation
from training.augmentation import Squares, Views, draw_squares, draw_views, mixing_shares, paint, take_views
from training.preprocessing import scale_pixels
from training.randomness import generator

_ROUND = 7_340_033
"""Sets the generators of rounds apart from those of runs."""


@dataclass(frozen=True)
class Changes:
    """A change of every image of a data set.

    Attributes:
        views: how each is shifted and mirrored.
        squares: what of it is painted over; None: nothing.
        partner_N: int64 [N], with which image it is mixed; None: with none.
        share_N: float32 [N], how much of it is left then; None as above.
    """

    views: Views
    squares: Squares | None
    partner_N: Tensor | None
    share_N: Tensor | None

    def to(self, device: torch.device) -> Changes:
        """The same on another device."""
        return Changes(
            self.views.to(device),
            None if self.squares is None else self.squares.to(device),
            None if self.partner_N is None else self.partner_N.to(device),
            None if self.share_N is None else self.share_N.to(device),
        )

    def pixels(self, images_NHWC: Tensor, index_M: Tensor, fill_C: Tensor) -> Tensor:
        """float32 [M, H, W, 3] in [0, 1]: the changed images at these positions of all images, uint8 [N, H, W, 3]."""
        pixels_MHWC = scale_pixels(self._view(images_NHWC, index_M, fill_C))
        if self.partner_N is None or self.share_N is None:
            return pixels_MHWC
        others_MHWC = scale_pixels(self._view(images_NHWC, self.partner_N[index_M], fill_C))
        return torch.lerp(others_MHWC, pixels_MHWC, self.share_N[index_M, None, None, None])

    def all_pixels(self, images_NHWC: Tensor, fill_C: Tensor) -> Tensor:
        """As `pixels`, of all images."""
        index_N = torch.arange(len(images_NHWC), device=images_NHWC.device)
        pixels_NHWC = scale_pixels(self._view(images_NHWC, index_N, fill_C))
        if self.partner_N is None or self.share_N is None:
            return pixels_NHWC
        return torch.lerp(pixels_NHWC[self.partner_N], pixels_NHWC, self.share_N[:, None, None, None])

    def targets(self, onehot_NK: Tensor, index_M: Tensor) -> Tensor:
        """float32 [M, K]: labels of those images, mixed as they are."""
        if self.partner_N is None or self.share_N is None:
            return onehot_NK[index_M]
        return torch.lerp(onehot_NK[self.partner_N[index_M]], onehot_NK[index_M], self.share_N[index_M, None])

    def _view(self, images_NHWC: Tensor, index_M: Tensor, fill_C: Tensor) -> Tensor:
        view_MHWC = take_views(images_NHWC[index_M], self.views[index_M])
        return view_MHWC if self.squares is None else paint(view_MHWC, self.squares[index_M], fill_C)


def draw_changes(
    count: int,
    height: int,
    width: int,
    config: Augmentation,
    generator: torch.Generator,
    mirrored_N: Tensor | None = None,
) -> Changes:
    """Changes of `count` images of that size; all randomness comes from `generator`."""
    views = draw_views(count, config, generator, mirrored_N)
    squares = draw_squares(count, height, width, config.cutout, generator) if config.cutout else None
    if not config.mixup:
        return Changes(views, squares, None, None)
    share_N = mixing_shares(count, config.mixup, generator)
    partner_N = torch.randperm(count, generator=generator, device=generator.device)
    return Changes(views, squares, partner_N, share_N)


def round_of_changes(count: int, height: int, width: int, config: Augmentation, number: int) -> Changes:
    """What round `number` of distillation does to all images: the same for every run and, drawn on the CPU, device."""
    mirrored_N = None
    if config.flip and config.alternate:
        mirrored_N = (torch.rand(count, generator=generator(_ROUND)) < 0.5) ^ bool(number % 2)
    return draw_changes(count, height, width, config, generator(_ROUND, number), mirrored_N)
