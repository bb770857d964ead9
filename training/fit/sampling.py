"""Order of the training images in an epoch: each once, or classes of different sizes equally often."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from core.images.labelled_folders import UNEQUAL_CLASSES
from core.recipes import RecipeConfig


def default_sampling(labels_N: npt.NDArray[np.int64]) -> Literal["uniform", "balanced"]:
    """Sampling for training images with the labels int64 [N]; every class has one."""
    counts_K = np.bincount(labels_N)
    return "balanced" if counts_K.max() > UNEQUAL_CLASSES * counts_K.min() else "uniform"


def epoch_order(labels_N: Tensor, config: RecipeConfig, draw: torch.Generator) -> Tensor:
    """Positions of the images of an epoch, int64 [N], in random order.

    With balanced sampling, images are drawn with replacement, each with a probability that is inverse to the size of
    its class: an epoch repeats images of small classes and omits some of large ones.

    Args:
        labels_N: int64 [N], labels of the training images.
        config: the recipe.
        draw: random generator on the CPU.
    """
    if config.sampling != "balanced":
        return torch.randperm(len(labels_N), generator=draw)
    weights_N = 1.0 / torch.bincount(labels_N)[labels_N].double()
    return torch.multinomial(weights_N, len(labels_N), replacement=True, generator=draw)
