"""A data set together with the division of its training images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from core.recipes import RecipeConfig
from training.data.splits import Split
from training.data.types import ImageDataset, LabelledImages

TrainingPart = Literal["train", "validation"]


@dataclass(frozen=True)
class Images:
    """The images of a run. Every stage asks for the part it may see."""

    dataset: ImageDataset
    split: Split

    def part(self, *names: Literal["train", "validation", "holdout"]) -> LabelledImages:
        """The training images of one or several parts of the split, in that order."""
        index_N = np.concatenate([getattr(self.split, name) for name in names])
        training = self.dataset.training
        return LabelledImages(training.images_NHWC[index_N], training.labels_N[index_N])


def trained_on(config: RecipeConfig) -> tuple[TrainingPart, ...]:
    """Which parts of the split the recipe's weights are fitted to."""
    return ("train", "validation") if config.include_validation else ("train",)
