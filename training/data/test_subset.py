"""A fixed part of the test images: enough for figures with narrow intervals, few enough to be changed many times."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from core.records.base import ReportedData
from training.data.types import ImageDataset, LabelledImages

SEED = 20_250_101


def stratified(labels_N: npt.NDArray[np.int64], count: int, seed: int = SEED) -> npt.NDArray[np.int64]:
    """Ascending positions of `count` images, or of all where there are no more, with the classes as evenly as can be.

    The classes take turns, each in an order that `seed` draws, so that a smaller subset is part of a larger one.
    """
    random = np.random.default_rng(seed)
    shuffled = random.permutation(len(labels_N))
    turn_N = np.empty(len(labels_N), np.int64)
    for label in np.unique(labels_N):
        of_class = shuffled[labels_N[shuffled] == label]
        turn_N[of_class] = np.arange(len(of_class))
    order = np.lexsort((labels_N, turn_N))
    return np.sort(order[:count])


def subset_of_test(dataset: ImageDataset, count: int) -> tuple[LabelledImages, ReportedData]:
    """`count` test images, and how a record names them."""
    chosen = stratified(dataset.test.labels_N, count)
    whole = len(chosen) == len(dataset.test)
    data = ReportedData(name=dataset.name, digest=dataset.digest, images=len(chosen), seed=None if whole else SEED)
    return LabelledImages(dataset.test.images_NHWC[chosen], dataset.test.labels_N[chosen]), data
