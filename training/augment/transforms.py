"""Random transforms of a batch or a whole data set: shift, flip, warp, cutout, CutMix and mixup.

Parameters are drawn first and applied later, so that a teacher and its student see the same augmented views.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import torch
from torch import Tensor

from core.recipes import Augmentation, RecipeConfig
from training.augment.cutmix import CutMixBoxes, apply_cutmix, draw_boxes
from training.augment.packed_pixels import chunks, scale_packed
from training.augment.shift_flip_cutout import (
    Cutout,
    ShiftFlip,
    apply_cutout,
    apply_shift_flip,
    draw_cutout,
    draw_mixup_shares,
    draw_shift_flip,
)
from training.augment.warp import Warps, draw_warps, warp
from training.run.rng import generator

_ROUND = 7_340_033
"""Seed component that separates the generators of rounds from those of runs."""


@dataclass(frozen=True)
class Transforms:
    """Transform parameters of N images, applied in the order of the attributes.

    Attributes:
        shift_flip: shift and horizontal flip.
        warps: scaling and rotation; None for none.
        cutout: squares to fill; None for none.
        partner_N: int64 [N], the other image of CutMix and mixup; None without both.
        share_N: float32 [N], share of the image itself in mixup; None without mixup. It is 1 for images with CutMix.
        boxes: rectangles of CutMix; None without it.
    """

    shift_flip: ShiftFlip
    warps: Warps | None
    cutout: Cutout | None
    partner_N: Tensor | None
    share_N: Tensor | None
    boxes: CutMixBoxes | None = None

    def to(self, device: torch.device) -> Transforms:
        """Copy with all tensors on another device."""
        moved: Transforms = _moved(self, device)
        return moved

    def views(self, images_NHW: Tensor, fill: Tensor) -> Tensor:
        """Apply all transforms except mixup to all images, packed: int32 [N, H, W] -> int32 [N, H, W].

        `fill` is the packed color of cutout, int32 [].
        """
        views_NHW = apply_shift_flip(images_NHW, self.shift_flip)
        if self.warps is not None:
            views_NHW = warp(views_NHW, self.warps)
        if self.cutout is not None:
            views_NHW = apply_cutout(views_NHW, self.cutout, fill)
        if self.boxes is not None and self.partner_N is not None:
            views_NHW = apply_cutmix(views_NHW, self.boxes, self.partner_N)
        return views_NHW

    def pixels(self, views_NHW: Tensor, index_M: Tensor | None = None) -> Tensor:
        """Apply mixup to the `views` int32 [N, H, W] of the images at `index_M`, int64 [M], or of all images.

        Returns float32 [M, H, W, 3] in [0, 1].
        """
        if index_M is None:
            everything_N = torch.arange(len(views_NHW), device=views_NHW.device)
            return self.mixup(views_NHW, views_NHW, everything_N)
        return self.mixup(views_NHW[index_M], views_NHW, index_M)

    def mixup(self, chosen_MHW: Tensor, views_NHW: Tensor, index_M: Tensor) -> Tensor:
        """Mix each view in `chosen_MHW`, of the images at `index_M`, with that of its partner in `views_NHW`.

        Views are packed, int32. Returns float32 [M, H, W, 3] in [0, 1].
        """
        if self.partner_N is None or self.share_N is None:
            return scale_packed(chosen_MHW)[..., :3]
        others_M, share_M111 = self.partner_N[index_M], self.share_N[index_M, None, None, None]
        pixels_MHW4 = torch.empty(*chosen_MHW.shape, 4, device=chosen_MHW.device)
        for part in chunks(chosen_MHW):
            others_CHW4 = scale_packed(views_NHW[others_M[part]])
            torch.lerp(others_CHW4, scale_packed(chosen_MHW[part]), share_M111[part], out=pixels_MHW4[part])
        return pixels_MHW4[..., :3]

    def targets(self, onehot_NK: Tensor, index_M: Tensor) -> Tensor:
        """Labels of the images at `index_M`, int64 [M], mixed by CutMix and mixup: float32 [M, K], rows sum to 1.

        `onehot_NK` are the labels of all images, float32 [N, K].
        """
        cutmix_MK = self._cutmix_targets(onehot_NK, index_M)
        if self.partner_N is None or self.share_N is None:
            return cutmix_MK
        others_MK = self._cutmix_targets(onehot_NK, self.partner_N[index_M])
        return torch.lerp(others_MK, cutmix_MK, self.share_N[index_M, None])

    def _cutmix_targets(self, onehot_NK: Tensor, index_M: Tensor) -> Tensor:
        """Labels float32 [M, K] after CutMix, before mixup."""
        if self.partner_N is None or self.boxes is None:
            return onehot_NK[index_M]
        kept_M1 = self.boxes.kept_N[index_M, None]
        return torch.lerp(onehot_NK[self.partner_N[index_M]], onehot_NK[index_M], kept_M1)


def _moved(value: Any, device: torch.device) -> Any:
    if isinstance(value, Tensor):
        return value.to(device)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{field.name: _moved(getattr(value, field.name), device) for field in fields(value)})
    return value


def draw_transforms(
    count: int,
    height: int,
    width: int,
    config: Augmentation,
    generator: torch.Generator,
    mirrored_N: Tensor | None = None,
) -> Transforms:
    """Draw the transforms of `count` images of the given size.

    Args:
        count: number of images, N.
        height: image height in pixels.
        width: image width in pixels.
        config: augmentation settings.
        generator: random generator.
        mirrored_N: bool [N], images to flip; None to draw them.
    """
    shift_flip = draw_shift_flip(count, config, generator, mirrored_N)
    warps = draw_warps(count, config, generator) if config.rotate or config.stretch else None
    cutout = draw_cutout(count, height, width, config.cutout, generator) if config.cutout else None
    if not config.mixup and not config.cutmix:
        return Transforms(shift_flip, warps, cutout, None, None)
    share_N = draw_mixup_shares(count, config.mixup, generator) if config.mixup else None
    partner_N = torch.randperm(count, generator=generator, device=generator.device)
    boxes = draw_boxes(count, height, width, config.cutmix, generator) if config.cutmix else None
    if share_N is not None and boxes is not None:
        share_N = torch.where(boxes.kept_N < 1, 1.0, share_N)
    return Transforms(shift_flip, warps, cutout, partner_N, share_N, boxes)


def teacher_augmentation(config: RecipeConfig) -> Augmentation:
    """Augmentation of the images that the teacher sees.

    With a clean view it is the mirror image alone: each image is mirrored in one of the first two rounds.
    """
    if config.distillation.view == "clean":
        return Augmentation(flip=config.augmentation.flip, alternate=True)
    return config.augmentation


def round_transforms(count: int, height: int, width: int, config: Augmentation, number: int) -> Transforms:
    """Transforms of all images in round `number` of distillation. They depend on neither the run nor the device."""
    mirrored_N = None
    if config.flip and config.alternate:
        mirrored_N = (torch.rand(count, generator=generator(_ROUND)) < 0.5) ^ bool(number % 2)
    return draw_transforms(count, height, width, config, generator(_ROUND, number), mirrored_N)
