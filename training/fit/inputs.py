"""Data of a training run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.recipes import RecipeConfig
from training.augment.teacher_rounds import RoundSoftLabels
from training.data.split_dataset import Images, trained_on
from training.data.types import LabelledImages


@dataclass(frozen=True)
class FitInputs:
    """Data of a run. The digests are stored in checkpoints.

    Attributes:
        train: training images.
        validation: validation images; None if the run trains on them.
        classes: number of classes, K.
        source_digest: digest of the source code; empty for runs that are never published.
        teacher: the teacher's soft labels, one element per round; None without distillation.
    """

    train: LabelledImages
    validation: LabelledImages | None
    classes: int
    data_digest: str
    split_digest: str
    source_digest: str = ""
    teacher: Sequence[RoundSoftLabels] | None = None

    @classmethod
    def of(cls, config: RecipeConfig, images: Images) -> FitInputs:
        """Training and validation images of a run of `config`, without a teacher."""
        return cls(
            images.part(*trained_on(config)),
            None if config.include_validation else images.part("validation"),
            len(images.dataset.class_names),
            images.dataset.digest,
            images.split.digest,
        )
