"""The batches of a run: images as the network is to see them, and what it is to answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from core.recipes import RecipeConfig
from training.augment.outlier_exposure import outlier_images
from training.augment.packed_pixels import pack, scale_packed, unpack
from training.augment.robust import augment_robustly
from training.augment.teacher_rounds import RoundAnswers
from training.augment.transforms import Changes, draw_changes, round_of_changes
from training.data.preprocessing import one_hot, scale_pixels
from training.data.types import LabelledImages


@dataclass(frozen=True)
class Batch:
    """Images and their targets, and after the images M pictures without an object, which have no target.

    Attributes:
        pixels_LHWC: float32 [N + M, H, W, 3] in [0, 1].
        onehot_NK: float32 [N, K], rows sum to one; mixed images have mixed rows.
        teacher_NK: float32 [N, K], the teacher's probabilities for the same pictures; None without a teacher.
        hints_NF: float16 [N, F], the teacher's projected features of the same pictures; None without hints.
    """

    pixels_LHWC: Tensor
    onehot_NK: Tensor
    teacher_NK: Tensor | None
    hints_NF: Tensor | None = None


class Batches:
    """All images of a run on its device.

    Args:
        images: those to train on.
        classes: how many there are.
        config: of the run.
        fill_C: uint8 [3], the color that cutout paints.
        mirrored_N: bool [N], which images alternating mirroring begins with.
        teacher: the teacher's answers to every image as each round changes it.
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
        teacher: Sequence[RoundAnswers] | None,
        device: torch.device,
    ) -> None:
        self.config = config
        self.device = device
        self.images_NHW = pack(torch.from_numpy(images.images_NHWC).to(device))
        self.onehot_NK = torch.from_numpy(one_hot(images.labels_N, classes)).to(device)
        self.fill = pack(fill_C.to(device))
        self.mirrored_N = mirrored_N.to(device)
        self.teacher = teacher
        self._round: tuple[int, Changes, Tensor] | None = None
        self._answers: tuple[int, Tensor, Tensor | None] | None = None

    def __len__(self) -> int:
        return len(self.images_NHW)

    def plain(self, index_N: Tensor) -> Batch:
        """The images at these positions as they are, and their labels."""
        index_N = index_N.to(self.device)
        return Batch(scale_packed(self.images_NHW[index_N])[..., :3], self.onehot_NK[index_N], None)

    def augmented(self, index_N: Tensor, epoch: int, draw: torch.Generator) -> Batch:
        """The images at these positions, changed at random, with their labels and the teacher's answers."""
        index_N = index_N.to(self.device)
        if self.teacher is None:
            batch = self._drawn(index_N, epoch, draw)
        else:
            batch = self._answered(index_N, epoch % len(self.teacher), self.teacher, draw)
        count = round(self.config.augmentation.outliers * len(index_N))
        if count == 0:
            return batch
        outliers_MHWC = outlier_images(unpack(self.images_NHW[index_N[:count]]), count, draw)
        return replace(batch, pixels_LHWC=torch.cat([batch.pixels_LHWC, scale_pixels(outliers_MHWC)]))

    def _drawn(self, index_N: Tensor, epoch: int, draw: torch.Generator) -> Batch:
        augmentation, images_NHW = self.config.augmentation, self.images_NHW[index_N]
        mirrored_N = None
        if augmentation.flip and augmentation.alternate:
            mirrored_N = self.mirrored_N[index_N] ^ bool(epoch % 2)
        N, H, W = images_NHW.shape
        changes = draw_changes(N, H, W, augmentation, draw, mirrored_N)
        onehot_NK = changes.targets(self.onehot_NK[index_N], torch.arange(N, device=self.device))
        pictures_NHW = changes.pictures(images_NHW, self.fill)
        pictures_NHW = augment_robustly(pictures_NHW, onehot_NK.argmax(1), augmentation, draw)
        return Batch(changes.pixels(pictures_NHW), onehot_NK, None)

    def _answered(self, index_N: Tensor, number: int, teacher: Sequence[RoundAnswers], draw: torch.Generator) -> Batch:
        """Images as a round changes them. Robust augmentation comes on top: the teacher has seen them without it."""
        changes, pictures_NHW = self._pictures_of_round(number)
        logits_NK, hints_NF = self._answers_of_round(number, teacher)
        onehot_NK = changes.targets(self.onehot_NK, index_N)
        asked_NHW = augment_robustly(pictures_NHW[index_N], onehot_NK.argmax(1), self.config.augmentation, draw)
        return Batch(
            changes.mixed(asked_NHW, pictures_NHW, index_N),
            onehot_NK,
            (logits_NK[index_N].float() / self.config.distillation.temperature).softmax(1),
            None if hints_NF is None else hints_NF[index_N],
        )

    def _answers_of_round(self, number: int, teacher: Sequence[RoundAnswers]) -> tuple[Tensor, Tensor | None]:
        """Logits and hints of a round, read when its first batch is made."""
        if self._answers is None or self._answers[0] != number:
            answers = teacher[number]
            hints_NF = None if answers.hints_NF is None else answers.hints_NF.to(self.device)
            self._answers = (number, answers.logits_NK.to(self.device), hints_NF)
        return self._answers[1:]

    def _pictures_of_round(self, number: int) -> tuple[Changes, Tensor]:
        """The changes of a round, and all pictures of it, made once: each is shown itself and mixed into another."""
        if self._round is None or self._round[0] != number:
            N, H, W = self.images_NHW.shape
            changes = round_of_changes(N, H, W, self.config.augmentation, number).to(self.device)
            self._round = (number, changes, changes.pictures(self.images_NHW, self.fill))
        return self._round[1:]
