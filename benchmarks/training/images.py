"""Fewer images, for a smoke run."""

from __future__ import annotations

from training.data.split_dataset import Images
from training.data.splits import Split


def few_images(images: Images, count: int) -> Images:
    """The first `count` images of each part of the split, or all where there are no more."""
    split = images.split
    return Images(images.dataset, Split(split.train[:count], split.validation[:count], split.holdout[:count]))
