from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from core.errors import DataError
from tests.support.cifar_files import small_dataset
from training.data.types import ImageDataset, LabelledImages


@pytest.fixture(scope="module")
def dataset() -> ImageDataset:
    return small_dataset(per_class_train=4, per_class_test=2)


def test_digest_is_the_same_for_equal_content(dataset: ImageDataset) -> None:
    copy = ImageDataset(
        "another name",
        dataset.class_names,
        LabelledImages(dataset.training.images_NHWC.copy(), dataset.training.labels_N.copy()),
        LabelledImages(np.asfortranarray(dataset.test.images_NHWC), dataset.test.labels_N.copy()),
        "another licence",
    )
    assert copy.digest == dataset.digest
    assert len(dataset.digest) == 64


def _one_pixel(dataset: ImageDataset) -> ImageDataset:
    images = dataset.test.images_NHWC.copy()
    images[-1, -1, -1, -1] ^= 1
    return dataclasses.replace(dataset, test=LabelledImages(images, dataset.test.labels_N))


def _one_label(dataset: ImageDataset) -> ImageDataset:
    labels = dataset.training.labels_N.copy()
    labels[0] = (labels[0] + 1) % 10
    return dataclasses.replace(dataset, training=LabelledImages(dataset.training.images_NHWC, labels))


def _order(dataset: ImageDataset) -> ImageDataset:
    part = dataset.training
    return dataclasses.replace(dataset, training=LabelledImages(part.images_NHWC[::-1], part.labels_N[::-1]))


def _shape(dataset: ImageDataset) -> ImageDataset:
    def reshape(part: LabelledImages) -> LabelledImages:
        return LabelledImages(part.images_NHWC.reshape(-1, 16, 64, 3), part.labels_N)

    return dataclasses.replace(dataset, training=reshape(dataset.training), test=reshape(dataset.test))


def _boundary(dataset: ImageDataset) -> ImageDataset:
    images = np.concatenate([dataset.training.images_NHWC, dataset.test.images_NHWC])
    labels = np.concatenate([dataset.training.labels_N, dataset.test.labels_N])
    half = len(labels) // 2
    return dataclasses.replace(
        dataset,
        training=LabelledImages(images[:half], labels[:half]),
        test=LabelledImages(images[half:], labels[half:]),
    )


def _class_order(dataset: ImageDataset) -> ImageDataset:
    return dataclasses.replace(dataset, class_names=dataset.class_names[::-1])


def _class_boundary(dataset: ImageDataset) -> ImageDataset:
    first, second, *rest = dataset.class_names
    return dataclasses.replace(dataset, class_names=(first + second[0], second[1:], *rest))


@pytest.mark.parametrize("change", [_one_pixel, _one_label, _order, _shape, _boundary, _class_order, _class_boundary])
def test_digest_changes_with(change: Callable[[ImageDataset], ImageDataset], dataset: ImageDataset) -> None:
    assert change(dataset).digest != dataset.digest


@pytest.mark.parametrize(
    ("images", "labels", "complaint"),
    [
        (np.zeros((2, 4, 4, 3), np.float32), np.zeros(2, np.int64), "images must be uint8"),
        (np.zeros((2, 3, 4, 4), np.uint8), np.zeros(2, np.int64), r"\[N, H, W, 3\]"),
        (np.zeros((0, 4, 4, 3), np.uint8), np.zeros(0, np.int64), r"not uint8 \[0, 4, 4, 3\]"),
        (np.zeros((2, 4, 4, 3), np.uint8), np.zeros(2, np.int32), "labels must be int64"),
        (np.zeros((2, 4, 4, 3), np.uint8), np.zeros(3, np.int64), "one per image"),
    ],
)
def test_labelled_images_refuse(images: np.ndarray, labels: np.ndarray, complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        LabelledImages(images, labels)


def _constant(label: int, size: int = 4) -> LabelledImages:
    return LabelledImages(np.zeros((1, size, size, 3), np.uint8), np.full(1, label, np.int64))


@pytest.mark.parametrize("label", [-1, 2])
def test_label_without_a_class_name_is_refused(label: int) -> None:
    with pytest.raises(DataError, match="outside its 2 classes"):
        ImageDataset("toy", ("cat", "dog"), _constant(0), _constant(label), "")


def test_parts_of_different_image_size_are_refused() -> None:
    with pytest.raises(DataError, match="differ in size"):
        ImageDataset("toy", ("cat", "dog"), _constant(0), _constant(1, size=5), "")
