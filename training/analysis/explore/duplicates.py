"""Exact and near duplicates within a data set, and leakage between its parts.

A test image with a duplicate among the training images makes the measured accuracy too high. B. Barz and J. Denzler
(Do we train on test data? Purging CIFAR of near-duplicates, 2020) checked the candidates of CIFAR-10 by eye and found
duplicates of 3.3 % of its test images.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.images.near_duplicates import (
    CORRELATION_THRESHOLD,
    SIMILARITY_THRESHOLD,
    NearDuplicateIndex,
    NearPairs,
    Track,
)
from training.data.splits import Split
from training.data.types import ImageDataset

_LISTED = 10_000


@dataclass(frozen=True)
class Copy:
    """One image of a group of identical images: its part (`training` or `test`), position in the part and class."""

    part: str
    position: int
    label: str


@dataclass(frozen=True)
class NearPair:
    """A test image and its near duplicate among the training images, with the measures of `near_duplicates`."""

    test_position: int
    training_position: int
    test_label: str
    training_label: str
    mirrored: bool
    similarity: float
    correlation: float


@dataclass(frozen=True)
class Duplicates:
    """Duplicates of a data set.

    Attributes:
        exact: groups of identical images.
        exact_test_images: test images that have an exact copy among the training images.
        exact_conflicts: groups of identical images with different classes.
        near: pairs of test and training image, including exact copies, sorted by descending similarity; the first
            10,000, because a folder of copies may have millions.
        near_pairs: number of all pairs.
        near_test_images: test images in at least one of those pairs.
        near_conflicts: pairs whose two images have different classes.
        near_mirrored: pairs in which one image is mirrored.
        validation_images: images of the validation part with a near duplicate in the train part.
        holdout_images: images of the holdout with a near duplicate in the train or the validation part.
    """

    exact: list[list[Copy]]
    exact_test_images: int
    exact_conflicts: int
    similarity_threshold: float
    correlation_threshold: float
    near: list[NearPair]
    near_pairs: int
    near_test_images: int
    near_conflicts: int
    near_mirrored: int
    validation_images: int
    holdout_images: int


def find_duplicates(dataset: ImageDataset, split: Split, *, track: Track = iter) -> Duplicates:
    """Compare every test, validation and holdout image with all training images.

    Args:
        dataset: data set to search.
        split: split of its training images.
        track: progress wrapper, called for the test images and again for the validation and holdout images.
    """
    training, test = dataset.training, dataset.test
    exact = _exact_groups(dataset)
    index = NearDuplicateIndex(training.images_NHWC)
    pairs = index.lookup(test.images_NHWC, track=track)
    near = [_near_pair(dataset, pairs, number) for number in range(min(len(pairs), _LISTED))]
    conflicts_P = dataset.test.labels_N[pairs.query_P] != training.labels_N[pairs.reference_P]
    validation_images, holdout_images = _count_leaked(dataset, split, index, track)
    return Duplicates(
        exact=exact,
        exact_test_images=sum(_count_in(group, "test") for group in exact if _count_in(group, "training")),
        exact_conflicts=sum(len({copy.label for copy in group}) > 1 for group in exact),
        similarity_threshold=SIMILARITY_THRESHOLD,
        correlation_threshold=CORRELATION_THRESHOLD,
        near=near,
        near_pairs=len(pairs),
        near_test_images=len(np.unique(pairs.query_P)),
        near_conflicts=int(np.count_nonzero(conflicts_P)),
        near_mirrored=int(np.count_nonzero(pairs.mirrored_P)),
        validation_images=validation_images,
        holdout_images=holdout_images,
    )


def equal_images(images: Iterable[npt.NDArray[np.uint8]]) -> list[list[int]]:
    """Positions of identical images, in groups of two or more, ordered by the first position of each group."""
    groups: dict[bytes, list[int]] = {}
    for position, image_HWC in enumerate(images):
        groups.setdefault(hashlib.sha256(image_HWC.tobytes()).digest(), []).append(position)
    return [group for group in groups.values() if len(group) > 1]


def _exact_groups(dataset: ImageDataset) -> list[list[Copy]]:
    parts = (("training", dataset.training), ("test", dataset.test))
    copies = [
        Copy(name, position, dataset.class_names[label])
        for name, part in parts
        for position, label in enumerate(part.labels_N.tolist())
    ]
    groups = equal_images(image for _, part in parts for image in part.images_NHWC)
    return [[copies[position] for position in group] for group in groups]


def _count_in(group: list[Copy], part: str) -> int:
    return sum(copy.part == part for copy in group)


def _near_pair(dataset: ImageDataset, pairs: NearPairs, number: int) -> NearPair:
    test_position, training_position = int(pairs.query_P[number]), int(pairs.reference_P[number])
    return NearPair(
        test_position=test_position,
        training_position=training_position,
        test_label=dataset.class_names[dataset.test.labels_N[test_position]],
        training_label=dataset.class_names[dataset.training.labels_N[training_position]],
        mirrored=bool(pairs.mirrored_P[number]),
        similarity=float(pairs.similarity_P[number]),
        correlation=float(pairs.correlation_P[number]),
    )


def _count_leaked(dataset: ImageDataset, split: Split, index: NearDuplicateIndex, track: Track) -> tuple[int, int]:
    """Count validation images with near duplicates in train, and holdout images with some in train or validation."""
    queried_N = np.concatenate([split.validation, split.holdout])
    pairs = index.lookup(dataset.training.images_NHWC[queried_N], track=track)
    position_P = queried_N[pairs.query_P]
    in_validation_P, in_holdout_P = (np.isin(position_P, part) for part in (split.validation, split.holdout))
    in_train_P = np.isin(pairs.reference_P, split.train)
    in_either_P = in_train_P | np.isin(pairs.reference_P, split.validation)
    return (
        len(np.unique(position_P[in_validation_P & in_train_P])),
        len(np.unique(position_P[in_holdout_P & in_either_P])),
    )
