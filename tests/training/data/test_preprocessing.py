from __future__ import annotations

import numpy as np
import pytest
import torch

from core.errors import DataError
from tests.support.cifar_files import real_cifar10
from training.data.preprocessing import channel_statistics, one_hot, scale_pixels

ALL_VALUES = np.arange(256, dtype=np.uint8)


def test_scaling_is_the_nearest_float_to_pixel_over_255() -> None:
    scaled = scale_pixels(ALL_VALUES)
    assert scaled.dtype == np.float32
    assert scaled.tolist() == [float(np.float32(value / 255)) for value in range(256)]


def test_scaling_keeps_the_shape_and_the_input() -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 5, 4, 3), dtype=np.uint8)
    before = images.copy()
    assert scale_pixels(images).shape == (2, 5, 4, 3)
    assert np.array_equal(images, before)


def test_scaling_of_tensors_and_arrays_is_the_same_to_the_bit() -> None:
    scaled = scale_pixels(torch.from_numpy(ALL_VALUES))
    assert isinstance(scaled, torch.Tensor)
    assert np.array_equal(scaled.numpy(), scale_pixels(ALL_VALUES))


@pytest.mark.parametrize("pixels", [np.zeros(3, np.float32), torch.zeros(3), np.zeros(3, np.int64)])
def test_pixels_on_an_unknown_scale_are_refused(pixels: np.ndarray) -> None:
    with pytest.raises(DataError, match="must be uint8"):
        scale_pixels(pixels)


def test_one_hot_of_arrays_and_tensors() -> None:
    expected = [[0, 0, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]]
    labels = np.array([2, 0, 1, 2])
    encoded = one_hot(labels, 3)
    encoded_tensor = one_hot(torch.from_numpy(labels), 3)
    assert encoded.dtype == np.float32
    assert encoded_tensor.dtype == torch.float32
    assert encoded.tolist() == expected
    assert encoded_tensor.tolist() == expected


def test_one_hot_of_no_labels() -> None:
    assert one_hot(np.zeros(0, np.int64), 4).shape == (0, 4)
    assert one_hot(torch.zeros(0, dtype=torch.int64), 4).shape == (0, 4)


@pytest.mark.parametrize("label", [-1, 3])
def test_one_hot_refuses_labels_without_a_class(label: int) -> None:
    labels = np.array([0, label])
    with pytest.raises(DataError, match="0 to 2"):
        one_hot(labels, 3)
    with pytest.raises(DataError, match="0 to 2"):
        one_hot(torch.from_numpy(labels), 3)


def test_channel_statistics_equal_those_of_a_float_copy() -> None:
    generator = np.random.default_rng(0)
    images = generator.integers(0, (100, 180, 256), (2_500, 3, 5, 3)).astype(np.uint8)
    mean, std = channel_statistics(images)
    scaled = images.astype(np.float64) / 255
    np.testing.assert_allclose(mean, scaled.mean(axis=(0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(std, scaled.std(axis=(0, 1, 2)), rtol=1e-12)


def test_channel_statistics_of_constant_channels() -> None:
    images = np.broadcast_to(np.array([0, 51, 255], np.uint8), (4, 2, 2, 3))
    mean, std = channel_statistics(images)
    np.testing.assert_allclose(mean, [0, 0.2, 1])
    np.testing.assert_allclose(std, 0, atol=1e-12)


@pytest.mark.cifar10
def test_channel_statistics_of_cifar10_are_the_published_ones() -> None:
    mean, std = channel_statistics(real_cifar10().training.images_NHWC)
    np.testing.assert_allclose(mean, [0.4914, 0.4822, 0.4465], atol=5e-5)
    np.testing.assert_allclose(std, [0.2470, 0.2435, 0.2616], atol=5e-5)
