"""Images that occur more than once in a data set, exactly or nearly, and where the two copies lie.

A test image that the training images hold too is a question whose answer was given away. B. Barz and J. Denzler
(Do we train on test data? Purging CIFAR of near-duplicates, 2020) looked through CIFAR-10's candidates by eye and
found such a one for 3.3 % of its test images.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.analysis.explore.near_duplicates import (
    CORRELATION_THRESHOLD,
    SIMILARITY_THRESHOLD,
    NearDuplicateIndex,
    NearPairs,
    Track,
)
from training.data.splits import Split
from training.data.types import ImageDataset


@dataclass(frozen=True)
class Copy:
    """One of several images that are equal to the byte: its part (`training` or `test`), place in it and class."""

    part: str
    position: int
    label: str


@dataclass(frozen=True)
class NearPair:
    """A test and a training image that show nearly the same; similarities are those of `near_duplicates`."""

    test_position: int
    training_position: int
    test_label: str
    training_label: str
    mirrored: bool
    similarity: float
    correlation: float


@dataclass(frozen=True)
class Duplicates:
    """What occurs more than once.

    Attributes:
        exact: groups of images that are equal to the byte.
        exact_test_images: test images that have an exact copy among the training images.
        exact_conflicts: groups of exact copies that do not all have the same class.
        similarity_threshold: from which a pair is a candidate for a near duplicate.
        correlation_threshold: from which a candidate counts.
        near: pairs of test and training image, the most similar first; exact copies are among them.
        near_test_images: test images in at least one of those pairs.
        near_conflicts: pairs whose two images have different classes.
        near_mirrored: pairs of which one is the other's mirror image.
        validation_images: images of the validation part with a near duplicate in the train part.
        holdout_images: images of the holdout with a near duplicate in the train or the validation part.
    """

    exact: list[list[Copy]]
    exact_test_images: int
    exact_conflicts: int
    similarity_threshold: float
    correlation_threshold: float
    near: list[NearPair]
    near_test_images: int
    near_conflicts: int
    near_mirrored: int
    validation_images: int
    holdout_images: int


def find_duplicates(dataset: ImageDataset, split: Split, *, track: Track = iter) -> Duplicates:
    """Compare every test, validation and holdout image with all training images.

    Args:
        dataset: whose images are compared.
        split: of its training images.
        track: shown the progress, once over the test images and once over the validation and holdout images.
    """
    training, test = dataset.training, dataset.test
    exact = _exact(dataset)
    index = NearDuplicateIndex(training.images_NHWC)
    pairs = index.lookup(test.images_NHWC, track=track)
    near = [_named(dataset, pairs, number) for number in range(len(pairs))]
    validation_images, holdout_images = _straddling(dataset, split, index, track)
    return Duplicates(
        exact=exact,
        exact_test_images=sum(_in_part(group, "test") for group in exact if _in_part(group, "training")),
        exact_conflicts=sum(len({copy.label for copy in group}) > 1 for group in exact),
        similarity_threshold=SIMILARITY_THRESHOLD,
        correlation_threshold=CORRELATION_THRESHOLD,
        near=near,
        near_test_images=len({pair.test_position for pair in near}),
        near_conflicts=sum(pair.test_label != pair.training_label for pair in near),
        near_mirrored=sum(pair.mirrored for pair in near),
        validation_images=validation_images,
        holdout_images=holdout_images,
    )


def equal_images(images: Iterable[npt.NDArray[np.uint8]]) -> list[list[int]]:
    """Groups of two or more positions whose images are equal to the byte, in the order of their first positions."""
    groups: dict[bytes, list[int]] = {}
    for position, image_HWC in enumerate(images):
        groups.setdefault(hashlib.sha256(image_HWC.tobytes()).digest(), []).append(position)
    return [group for group in groups.values() if len(group) > 1]


def _exact(dataset: ImageDataset) -> list[list[Copy]]:
    parts = (("training", dataset.training), ("test", dataset.test))
    copies = [
        Copy(name, position, dataset.class_names[label])
        for name, part in parts
        for position, label in enumerate(part.labels_N.tolist())
    ]
    groups = equal_images(image for _, part in parts for image in part.images_NHWC)
    return [[copies[position] for position in group] for group in groups]


def _in_part(group: list[Copy], part: str) -> int:
    return sum(copy.part == part for copy in group)


def _named(dataset: ImageDataset, pairs: NearPairs, number: int) -> NearPair:
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


def _straddling(dataset: ImageDataset, split: Split, index: NearDuplicateIndex, track: Track) -> tuple[int, int]:
    """Validation images that the train part shows too, and holdout images that train or validation part show too."""
    queried_N = np.concatenate([split.validation, split.holdout])
    pairs = index.lookup(dataset.training.images_NHWC[queried_N], track=track)
    position_P = queried_N[pairs.query_P]
    in_validation_P, in_holdout_P = (np.isin(position_P, part) for part in (split.validation, split.holdout))
    beside_train_P = np.isin(pairs.reference_P, split.train)
    beside_either_P = beside_train_P | np.isin(pairs.reference_P, split.validation)
    return (
        len(np.unique(position_P[in_validation_P & beside_train_P])),
        len(np.unique(position_P[in_holdout_P & beside_either_P])),
    )
