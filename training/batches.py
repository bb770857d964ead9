"""The batches of a run: images as the network is to see them, and what it is to answer."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from core.recipes import RecipeConfig
from training.augmentation import cutout, draw_views, mixed, mixing_shares, take_views
from training.datasets.base import LabelledImages
from training.outliers import outliers
from training.preprocessing import one_hot, scale_pixels


@dataclass(frozen=True)
class Batch:
    """Images and their targets; made-up pictures of no class, if there are any, come after the others.

    Attributes:
        pixels_NHWC: float32 [N, H, W, 3] in [0, 1].
        onehot_NK: float32 [N, K], rows sum to one; mixed images have mixed rows.
        teacher_NK: float32 [N, K], the teacher's probabilities for the same pictures; None without a teacher.
    """

    pixels_NHWC: Tensor
    onehot_NK: Tensor
    teacher_NK: Tensor | None


class Batches:
    """All images of a run on its device.

    Args:
        images: those to train on.
        classes: how many there are.
        config: of the run.
        fill_C: uint8 [3], the colour that cutout paints.
        mirrored_N: bool [N], which images alternating mirroring begins with.
        teacher_VNK: float16 [V, N, K], the teacher's logits for every view of every image.
        device: where to put them.
    """

    def __init__(
        self,
        images: LabelledImages,
        classes: int,
        config: RecipeConfig,
        *,
        fill_C: Tensor,
        mirrored_N: Tensor,
        teacher_VNK: Tensor | None,
        device: torch.device,
    ) -> None:
        self.config = config
        self.device = device
        self.images_NHWC = torch.from_numpy(images.images_NHWC).to(device)
        self.onehot_NK = torch.from_numpy(one_hot(images.labels_N, classes)).to(device)
        self.fill_C = fill_C.to(device)
        self.mirrored_N = mirrored_N.to(device)
        self.teacher_VNK = None if teacher_VNK is None else teacher_VNK.to(device)

    def __len__(self) -> int:
        return len(self.images_NHWC)

    def plain(self, index_N: Tensor) -> Batch:
        """The images at these positions as they are, and their labels."""
        index_N = index_N.to(self.device)
        return Batch(scale_pixels(self.images_NHWC[index_N]), self.onehot_NK[index_N], None)

    def augmented(self, index_N: Tensor, epoch: int, draw: torch.Generator) -> Batch:
        """The images at these positions, changed at random, with their labels and the teacher's answers."""
        index_N = index_N.to(self.device)
        augmentation = self.config.augmentation
        mirrored_N = None
        if augmentation.flip and augmentation.alternate:
            mirrored_N = self.mirrored_N[index_N] ^ bool(epoch % 2)
        views = draw_views(len(index_N), augmentation, draw, mirrored_N)
        images_NHWC = take_views(self.images_NHWC[index_N], views)
        if augmentation.cutout:
            images_NHWC = cutout(images_NHWC, augmentation.cutout, self.fill_C, draw)
        pixels_NHWC, onehot_NK, teacher_NK = scale_pixels(images_NHWC), self.onehot_NK[index_N], None
        if self.teacher_VNK is not None:
            logits_NK = self.teacher_VNK[views.numbers(), index_N].float()
            teacher_NK = (logits_NK / self.config.distillation.temperature).softmax(1)
        if augmentation.mixup:
            share_N = mixing_shares(len(index_N), augmentation.mixup, draw)
            pixels_NHWC, onehot_NK = mixed(pixels_NHWC, share_N), mixed(onehot_NK, share_N)
            teacher_NK = None if teacher_NK is None else mixed(teacher_NK, share_N)
        if count := round(augmentation.outliers * len(index_N)):
            strange_MHWC = outliers(self.images_NHWC[index_N], count, draw)
            pixels_NHWC = torch.cat([pixels_NHWC, scale_pixels(strange_MHWC)])
            onehot_NK = with_undecided(onehot_NK, count)
            teacher_NK = None if teacher_NK is None else with_undecided(teacher_NK, count)
        return Batch(pixels_NHWC, onehot_NK, teacher_NK)


def with_undecided(targets_NK: Tensor, count: int) -> Tensor:
    """The targets and below them `count` rows that give every class the same share."""
    classes = targets_NK.shape[1]
    return torch.cat([targets_NK, targets_NK.new_full((count, classes), 1 / classes)])
