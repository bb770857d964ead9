"""Training batches: augmented images with their labels and soft labels, made on the device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from core.recipes import RecipeConfig
from training.augment.outlier_exposure import outlier_images
from training.augment.packed_pixels import pack, scale_packed, unpack
from training.augment.robust import apply_robust_augmentation
from training.augment.teacher_rounds import RoundSoftLabels
from training.augment.transforms import Transforms, draw_transforms, round_transforms, teacher_augmentation
from training.data.preprocessing import one_hot, scale_pixels
from training.data.types import LabelledImages


@dataclass(frozen=True)
class Batch:
    """N training images with targets, followed by M outliers without targets.

    Attributes:
        pixels_LHWC: float32 [N + M, H, W, 3] in [0, 1].
        onehot_NK: float32 [N, K], rows sum to 1; mixed images have mixed rows.
        teacher_NK: float32 [N, K], the teacher's probabilities for the N images; None without distillation.
        hints_NF: float16 [N, F], the teacher's projected features of the N images; None without hints.
    """

    pixels_LHWC: Tensor
    onehot_NK: Tensor
    teacher_NK: Tensor | None
    hints_NF: Tensor | None = None


class Batches:
    """Makes batches from the training images, which are kept on the device.

    Args:
        images: training images.
        classes: number of classes, K.
        config: the recipe.
        fill_C: uint8 [3], fill color of cutout.
        mirrored_N: bool [N], the images that alternating flips mirror in even epochs.
        teacher: the teacher's soft labels, one element per round; None without distillation.
        device: device of the batches.
    """

    def __init__(
        self,
        images: LabelledImages,
        classes: int,
        config: RecipeConfig,
        *,
        fill_C: Tensor,
        mirrored_N: Tensor,
        teacher: Sequence[RoundSoftLabels] | None,
        device: torch.device,
    ) -> None:
        self.config = config
        self.device = device
        self.images_NHW = pack(torch.from_numpy(images.images_NHWC).to(device))
        self.onehot_NK = torch.from_numpy(one_hot(images.labels_N, classes)).to(device)
        self.fill = pack(fill_C.to(device))
        self.mirrored_N = mirrored_N.to(device)
        self.teacher = teacher
        self._round: tuple[int, Transforms, Tensor] | None = None
        self._soft_labels: tuple[int, Tensor, Tensor | None] | None = None
        self._clean_RNK: Tensor | None = None
        if teacher is not None and config.distillation.view == "clean":
            self._clean_RNK = torch.stack([self._probabilities(labels.logits_NK) for labels in teacher]).to(device)
            N, H, W = self.images_NHW.shape
            first = round_transforms(N, H, W, teacher_augmentation(config), 0).to(device)
            self._mirrored_first_N = first.shift_flip.mirrored_N

    def __len__(self) -> int:
        return len(self.images_NHW)

    def plain(self, index_N: Tensor) -> Batch:
        """Batch of the images at `index_N`, int64 [N], without augmentation."""
        index_N = index_N.to(self.device)
        return Batch(scale_packed(self.images_NHW[index_N])[..., :3], self.onehot_NK[index_N], None)

    def augmented(self, index_N: Tensor, epoch: int, draw: torch.Generator) -> Batch:
        """Augmented batch of the images at `index_N`, int64 [N], with soft labels and outliers if configured."""
        index_N = index_N.to(self.device)
        if self.teacher is None or self._clean_RNK is not None:
            batch = self._labelled(index_N, epoch, draw)
        else:
            batch = self._distilled(index_N, epoch % len(self.teacher), self.teacher, draw)
        count = round(self.config.augmentation.outliers * len(index_N))
        if count == 0:
            return batch
        outliers_MHWC = outlier_images(unpack(self.images_NHW[index_N[:count]]), count, draw)
        return replace(batch, pixels_LHWC=torch.cat([batch.pixels_LHWC, scale_pixels(outliers_MHWC)]))

    def _labelled(self, index_N: Tensor, epoch: int, draw: torch.Generator) -> Batch:
        """Batch with random augmentation, for training without a teacher or with one of the clean view."""
        augmentation, images_NHW = self.config.augmentation, self.images_NHW[index_N]
        mirrored_N = None
        if augmentation.flip and augmentation.alternate:
            mirrored_N = self.mirrored_N[index_N] ^ bool(epoch % 2)
        N, H, W = images_NHW.shape
        transforms = draw_transforms(N, H, W, augmentation, draw, mirrored_N)
        everything_N = torch.arange(N, device=self.device)
        onehot_NK = transforms.targets(self.onehot_NK[index_N], everything_N)
        views_NHW = transforms.views(images_NHW, self.fill)
        views_NHW = apply_robust_augmentation(views_NHW, onehot_NK.argmax(1), augmentation, draw)
        teacher_NK = None
        if self._clean_RNK is not None:
            round_N = (transforms.shift_flip.mirrored_N ^ self._mirrored_first_N[index_N]).long()
            teacher_NK = transforms.targets(self._clean_RNK[round_N, index_N], everything_N)
        return Batch(transforms.pixels(views_NHW), onehot_NK, teacher_NK)

    def _distilled(
        self, index_N: Tensor, number: int, teacher: Sequence[RoundSoftLabels], draw: torch.Generator
    ) -> Batch:
        """Batch of the views of a round, with soft labels. Robust augmentation is added for the student only."""
        transforms, views_NHW = self._views_of_round(number)
        logits_NK, hints_NF = self._soft_labels_of_round(number, teacher)
        onehot_NK = transforms.targets(self.onehot_NK, index_N)
        chosen_NHW = apply_robust_augmentation(views_NHW[index_N], onehot_NK.argmax(1), self.config.augmentation, draw)
        return Batch(
            transforms.mixup(chosen_NHW, views_NHW, index_N),
            onehot_NK,
            self._probabilities(logits_NK[index_N]),
            None if hints_NF is None else hints_NF[index_N],
        )

    def _probabilities(self, logits_NK: Tensor) -> Tensor:
        """The teacher's probabilities, float32 [N, K], at the temperature of the distillation."""
        return (logits_NK.float() / self.config.distillation.temperature).softmax(1)

    def _soft_labels_of_round(self, number: int, teacher: Sequence[RoundSoftLabels]) -> tuple[Tensor, Tensor | None]:
        """Logits and hints of a round, loaded for its first batch."""
        if self._soft_labels is None or self._soft_labels[0] != number:
            loaded = teacher[number]
            hints_NF = None if loaded.hints_NF is None else loaded.hints_NF.to(self.device)
            self._soft_labels = (number, loaded.logits_NK.to(self.device), hints_NF)
        return self._soft_labels[1:]

    def _views_of_round(self, number: int) -> tuple[Transforms, Tensor]:
        """Transforms of a round and the views of all images, made for its first batch (mixup needs all of them)."""
        if self._round is None or self._round[0] != number:
            N, H, W = self.images_NHW.shape
            transforms = round_transforms(N, H, W, self.config.augmentation, number).to(self.device)
            self._round = (number, transforms, transforms.views(self.images_NHW, self.fill))
        return self._round[1:]
