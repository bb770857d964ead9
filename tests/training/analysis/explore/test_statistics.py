from __future__ import annotations

import numpy as np
import pytest

from tests.training.analysis.explore.pictures import dataset_of, pictures
from training.analysis.explore.statistics import (
    brightness_and_contrast,
    class_counts,
    describe,
    distributions,
    mean_images,
    pixel_values,
)
from training.data.splits import Split
from training.data.types import LabelledImages


def test_class_counts_name_classes_without_images() -> None:
    assert class_counts(np.array([1, 1, 0]), ("cat", "dog", "eel")) == {"cat": 1, "dog": 2, "eel": 0}


def test_pixel_values_of_each_channel() -> None:
    images = np.zeros((2, 2, 2, 3), dtype=np.uint8)
    images[..., 0] = 10
    images[0, ..., 1] = [[3, 5], [5, 250]]
    images[1, ..., 1] = 5
    images[..., 2] = 255
    found = pixel_values(images)
    assert found.minimum == (10, 3, 255)
    assert found.maximum == (10, 250, 255)
    green = np.array([3, 5, 5, 250, 5, 5, 5, 5]) / 255
    assert found.mean == pytest.approx((10 / 255, green.mean(), 1))
    assert found.std == pytest.approx((0, green.std(), 0), abs=1e-12)


def test_brightness_and_contrast_of_known_images() -> None:
    images = np.zeros((5, 4, 4, 3), dtype=np.uint8)
    images[1] = 255
    images[2, :2] = 255  # half white
    images[3, ..., 1] = 255  # green
    images[4, ..., 2] = 255  # blue
    brightness, contrast = brightness_and_contrast(images)
    assert brightness.tolist() == pytest.approx([0, 1, 0.5, 0.587, 0.114], abs=1e-6)
    assert contrast.tolist() == pytest.approx([0, 0, 0.5, 0, 0], abs=1e-6)


def test_brightness_of_more_images_than_one_block() -> None:
    images = np.repeat(np.arange(250, dtype=np.uint8), 10)[:, None, None, None].repeat(3, axis=3)
    brightness, _ = brightness_and_contrast(images)
    np.testing.assert_allclose(brightness, np.repeat(np.arange(250), 10) / 255, atol=1e-6)


def test_distributions_of_all_and_of_each_class() -> None:
    values = np.concatenate([np.arange(101), np.full(50, 7)]).astype(np.float32)
    labels = np.array([0] * 101 + [2] * 50)
    found = distributions(values, labels, ("cat", "dog", "eel"))
    assert list(found.by_class) == ["cat", "eel"]
    cat = found.by_class["cat"]
    assert (cat.p5, cat.p25, cat.median, cat.p75, cat.p95, cat.mean) == (5, 25, 50, 75, 95, 50)
    assert found.by_class["eel"].p5 == found.by_class["eel"].p95 == 7
    assert found.overall.mean == pytest.approx(values.mean())


def test_mean_images_are_rounded_means() -> None:
    images = np.zeros((3, 2, 2, 3), dtype=np.uint8)
    images[0], images[1], images[2] = 255, 254, 9
    means = mean_images(LabelledImages(images, np.array([2, 2, 0])), 3)
    assert means.dtype == np.uint8
    assert means[:, 0, 0, 0].tolist() == [9, 0, 254]


def test_describe_separates_parts_and_training_from_test() -> None:
    training, test = pictures(12), pictures(6, seed=1)
    test[0, 0, 0] = [1, 2, 3]
    test[1:] = np.clip(test[1:], 20, 200)
    test[0] = np.clip(test[0], 20, 200)
    dataset = dataset_of(training, test)
    split = Split(np.array([0, 1, 3, 4, 6, 7, 9, 10]), np.array([2, 5]), np.array([8, 11]))
    found = describe(dataset, split)
    assert found.images == {"train": 8, "validation": 2, "holdout": 2, "test": 6}
    assert found.class_counts["train"] == {"cat": 4, "dog": 4, "eel": 0}
    assert found.class_counts["holdout"] == {"cat": 0, "dog": 0, "eel": 2}
    assert (found.height, found.width) == (32, 32)
    assert found.values["test"].maximum == (200, 200, 200)
    assert found.values["training"].mean == pytest.approx((training / 255).mean(axis=(0, 1, 2)))
    luma = (training / 255) @ [0.299, 0.587, 0.114]
    assert found.brightness.overall.median == pytest.approx(np.median(luma.mean(axis=(1, 2))), abs=1e-6)
    assert found.contrast.by_class["dog"].mean == pytest.approx(luma[1::3].std(axis=(1, 2)).mean(), abs=1e-6)
