"""Train, validation and holdout split of a data set.

The split of CIFAR-10 is stored in an index file next to this module, because random streams may differ between library
versions and all model versions must share the same holdout. It was drawn by `make_split` with 5,000 validation images,
5,000 holdout images and `SEED`, and is stored as uint8 [N] (0 train, 1 validation, 2 holdout).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from core.errors import DataError
from training.data.types import ImageDataset

CIFAR10_SPLIT_FILE = Path(__file__).with_name("cifar10_split.npz")
CIFAR10_VALIDATION = 5_000
SEED = 20_250_101
"""Seed of the stored split, and of the splits of other data sets."""

_TRAIN, _VALIDATION, _HOLDOUT = range(3)


@dataclass(frozen=True, eq=False)
class Split:
    """Positions in `ImageDataset.training`, int64, ascending. Every position is in exactly one part.

    Attributes:
        train: images for training.
        validation: images for choosing settings.
        holdout: images for calibration, thresholds and promotion; never used for training or choosing settings.
    """

    train: npt.NDArray[np.int64]
    validation: npt.NDArray[np.int64]
    holdout: npt.NDArray[np.int64]

    @cached_property
    def digest(self) -> str:
        """sha256, as 64 hexadecimal digits, over the length and the positions of each part as little-endian int64."""
        digest = hashlib.sha256()
        for part in (self.train, self.validation, self.holdout):
            digest.update(np.asarray([len(part)], dtype="<i8").tobytes())
            digest.update(part.astype("<i8").tobytes())
        return digest.hexdigest()


def make_split(labels_N: npt.NDArray[np.int64], *, validation: int, holdout: int, seed: int) -> Split:
    """Draw a stratified split of labels int64 [N]: the classes have the same shares in each part, to within one image.

    `validation` and `holdout` are numbers of images; the remaining ones are the train part.

    Raises:
        DataError: the train part would be empty.
    """
    if min(validation, holdout) < 0 or validation + holdout >= len(labels_N):
        raise DataError(
            f"{validation} validation and {holdout} holdout images leave no training images of {len(labels_N)}: "
            "use smaller parts or more images"
        )
    available_K = np.bincount(labels_N)
    validation_K = _proportional(available_K, validation)
    holdout_K = _proportional(available_K - validation_K, holdout)

    part_N = np.full(len(labels_N), _TRAIN, dtype=np.uint8)
    generator = np.random.default_rng(seed)
    for label in range(len(available_K)):
        positions = generator.permutation(np.flatnonzero(labels_N == label))
        first, second = validation_K[label], validation_K[label] + holdout_K[label]
        part_N[positions[:first]] = _VALIDATION
        part_N[positions[first:second]] = _HOLDOUT
    return _split(part_N)


def split_for(dataset: ImageDataset) -> Split:
    """The stored split for CIFAR-10, otherwise a stratified 80 / 10 / 10 split with a fixed seed.

    Raises:
        DataError: the data set is too small.
    """
    split, belongs_to = read_cifar10_split()
    if dataset.digest == belongs_to:
        return split
    tenth = round(len(dataset.training) / 10)
    return make_split(dataset.training.labels_N, validation=tenth, holdout=tenth, seed=SEED)


def _proportional(available_K: npt.NDArray[np.int64], total: int) -> npt.NDArray[np.int64]:
    """Divide `total` in proportion to `available_K` by the largest remainder method; ties go to the lower class."""
    exact_K: npt.NDArray[np.float64] = available_K * total / available_K.sum()
    counts_K = np.floor(exact_K).astype(np.int64)
    order = np.argsort(counts_K - exact_K, kind="stable")
    counts_K[order[: total - counts_K.sum()]] += 1
    return counts_K


def _split(part_N: npt.NDArray[np.uint8]) -> Split:
    train, validation, holdout = (np.flatnonzero(part_N == part) for part in (_TRAIN, _VALIDATION, _HOLDOUT))
    return Split(train.astype(np.int64), validation.astype(np.int64), holdout.astype(np.int64))


def read_cifar10_split() -> tuple[Split, str]:
    """Load the stored split of CIFAR-10 (40,000 / 5,000 / 5,000 images) and the digest of its data set."""
    with np.load(CIFAR10_SPLIT_FILE, allow_pickle=False) as stored:
        return _split(stored["part_N"]), str(stored["dataset_digest"])
