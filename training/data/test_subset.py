"""Fixed stratified subset of the test images, for analyses that are too slow on all of them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from core.records.base import ReportedData
from training.data.types import ImageDataset, LabelledImages

SEED = 20_250_101


def stratified(labels_N: npt.NDArray[np.int64], count: int, seed: int = SEED) -> npt.NDArray[np.int64]:
    """Ascending positions of up to `count` images, with class counts as equal as possible.

    Images are taken from each class in turn, in a random order given by `seed`, so that a smaller subset is contained
    in a larger one.
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
    """Up to `count` test images, and their data record for reports."""
    chosen = stratified(dataset.test.labels_N, count)
    whole = len(chosen) == len(dataset.test)
    data = ReportedData(name=dataset.name, digest=dataset.digest, images=len(chosen), seed=None if whole else SEED)
    return LabelledImages(dataset.test.images_NHWC[chosen], dataset.test.labels_N[chosen]), data
