"""Data set with its split into train, validation, holdout and test images."""

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
    """A data set and its split."""

    dataset: ImageDataset
    split: Split

    def part(self, *names: Literal["train", "validation", "holdout"]) -> LabelledImages:
        """Images of one or several parts of the split, concatenated in the given order."""
        index_N = np.concatenate([getattr(self.split, name) for name in names])
        training = self.dataset.training
        keys_N = None if training.keys_N is None else training.keys_N[index_N]
        return LabelledImages(training.images_NHWC[index_N], training.labels_N[index_N], keys_N)


def trained_on(config: RecipeConfig) -> tuple[TrainingPart, ...]:
    """Parts of the split that the recipe trains on."""
    return ("train", "validation") if config.include_validation else ("train",)
