"""What augmentation does to each image of a whole data set, drawn at once so that a teacher can be asked beforehand."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from core.recipes import Augmentation
from training.augment.cutmix import Boxes, draw_boxes, paste
from training.augment.packed_pixels import chunks, scale_packed
from training.augment.shift_flip_cutout import (
    Cutout,
    ShiftFlip,
    apply_cutout,
    apply_shift_flip,
    draw_cutout,
    draw_shift_flip,
    mixing_shares,
)
from training.augment.warp import Warps, draw_warps, warp
from training.run.rng import generator

_ROUND = 7_340_033
"""Sets the generators of rounds apart from those of runs."""


@dataclass(frozen=True)
class Changes:
    """A change of every image of a data set.

    Attributes:
        shift_flip: how each is shifted and mirrored.
        warps: how each is then stretched and turned; None: not at all.
        cutout: what of it is painted over; None: nothing.
        partner_N: int64 [N], with which image it is mixed; None: with none.
        share_N: float32 [N], its share of the label and of every pixel; None: it is not mixed pixel by pixel.
        boxes: rectangles that show the partner instead; None: none. An image with a rectangle is not mixed otherwise.
    """

    shift_flip: ShiftFlip
    warps: Warps | None
    cutout: Cutout | None
    partner_N: Tensor | None
    share_N: Tensor | None
    boxes: Boxes | None = None

    def to(self, device: torch.device) -> Changes:
        """The same on another device."""
        return Changes(
            self.shift_flip.to(device),
            None if self.warps is None else self.warps.to(device),
            None if self.cutout is None else self.cutout.to(device),
            None if self.partner_N is None else self.partner_N.to(device),
            None if self.share_N is None else self.share_N.to(device),
            None if self.boxes is None else self.boxes.to(device),
        )

    def pictures(self, images_NHW: Tensor, fill: Tensor) -> Tensor:
        """int32 [N, H, W]: all images, packed, each changed, squares in the color `fill`, rectangles pasted."""
        pictures_NHW = apply_shift_flip(images_NHW, self.shift_flip)
        if self.warps is not None:
            pictures_NHW = warp(pictures_NHW, self.warps)
        if self.cutout is not None:
            pictures_NHW = apply_cutout(pictures_NHW, self.cutout, fill)
        if self.boxes is not None and self.partner_N is not None:
            pictures_NHW = paste(pictures_NHW, self.boxes, self.partner_N)
        return pictures_NHW

    def pixels(self, pictures_NHW: Tensor, index_M: Tensor | None = None) -> Tensor:
        """float32 [M, H, W, 3] in [0, 1]: the `pictures` at these positions, or all of them, mixed with their partners.

        Args:
            pictures_NHW: int32 [N, H, W], all of them.
            index_M: int64 [M].
        """
        if index_M is None:
            everything_N = torch.arange(len(pictures_NHW), device=pictures_NHW.device)
            return self.mixed(pictures_NHW, pictures_NHW, everything_N)
        return self.mixed(pictures_NHW[index_M], pictures_NHW, index_M)

    def mixed(self, asked_MHW: Tensor, pictures_NHW: Tensor, index_M: Tensor) -> Tensor:
        """float32 [M, H, W, 3] in [0, 1]: pictures of the images at these positions, mixed with their partners.

        Args:
            asked_MHW: int32 [M, H, W], packed.
            pictures_NHW: int32 [N, H, W], pictures of all images, packed; partners are taken from them.
            index_M: int64 [M].
        """
        if self.partner_N is None or self.share_N is None:
            return scale_packed(asked_MHW)[..., :3]
        others_M, share_M111 = self.partner_N[index_M], self.share_N[index_M, None, None, None]
        pixels_MHW4 = torch.empty(*asked_MHW.shape, 4, device=asked_MHW.device)
        for part in chunks(asked_MHW):
            others_CHW4 = scale_packed(pictures_NHW[others_M[part]])
            torch.lerp(others_CHW4, scale_packed(asked_MHW[part]), share_M111[part], out=pixels_MHW4[part])
        return pixels_MHW4[..., :3]

    def targets(self, onehot_NK: Tensor, index_M: Tensor) -> Tensor:
        """float32 [M, K]: labels of those images, mixed as they are."""
        pasted_MK = self._pasted_targets(onehot_NK, index_M)
        if self.partner_N is None or self.share_N is None:
            return pasted_MK
        others_MK = self._pasted_targets(onehot_NK, self.partner_N[index_M])
        return torch.lerp(others_MK, pasted_MK, self.share_N[index_M, None])

    def _pasted_targets(self, onehot_NK: Tensor, index_M: Tensor) -> Tensor:
        """float32 [M, K]: labels of the `pictures` at these positions, before they are mixed pixel by pixel."""
        if self.partner_N is None or self.boxes is None:
            return onehot_NK[index_M]
        kept_M1 = self.boxes.kept_N[index_M, None]
        return torch.lerp(onehot_NK[self.partner_N[index_M]], onehot_NK[index_M], kept_M1)


def draw_changes(
    count: int,
    height: int,
    width: int,
    config: Augmentation,
    generator: torch.Generator,
    mirrored_N: Tensor | None = None,
) -> Changes:
    """Changes of `count` images of that size; all randomness comes from `generator`."""
    views = draw_shift_flip(count, config, generator, mirrored_N)
    warps = draw_warps(count, config, generator) if config.rotate or config.stretch else None
    squares = draw_cutout(count, height, width, config.cutout, generator) if config.cutout else None
    if not config.mixup and not config.cutmix:
        return Changes(views, warps, squares, None, None)
    share_N = mixing_shares(count, config.mixup, generator) if config.mixup else None
    partner_N = torch.randperm(count, generator=generator, device=generator.device)
    boxes = draw_boxes(count, height, width, config.cutmix, generator) if config.cutmix else None
    if share_N is not None and boxes is not None:
        share_N = torch.where(boxes.kept_N < 1, 1.0, share_N)
    return Changes(views, warps, squares, partner_N, share_N, boxes)


def round_of_changes(count: int, height: int, width: int, config: Augmentation, number: int) -> Changes:
    """What round `number` of distillation does to all images: the same for every run and, drawn on the CPU, device."""
    mirrored_N = None
    if config.flip and config.alternate:
        mirrored_N = (torch.rand(count, generator=generator(_ROUND)) < 0.5) ^ bool(number % 2)
    return draw_changes(count, height, width, config, generator(_ROUND, number), mirrored_N)
