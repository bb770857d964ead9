"""Batches that are filled up to few sizes."""

from __future__ import annotations

import numpy as np
import pytest

from service.engine.arrays import Floats, Pixels
from service.engine.batch_sizes import SIZES, compiled_size, padded


def test_sizes_are_few_and_close() -> None:
    assert {compiled_size(images, 32) for images in range(1, 33)} == set(SIZES)
    assert [compiled_size(images, 11) for images in (5, 8, 9, 11)] == [6, 8, 11, 11]
    assert [compiled_size(images, 100) for images in (33, 65, 97)] == [48, 80, 100]
    for images in range(1, 101):
        assert images <= compiled_size(images, 100) <= min(100, max(images + 2, images * 1.5))


@pytest.mark.parametrize(("images", "size"), [(1, 1), (3, 4), (7, 8), (8, 8), (9, 10)])
def test_padded_batches_have_the_answers_of_their_images(images: int, size: int) -> None:
    seen: list[int] = []

    def run(images_NHWC: Pixels) -> Floats:
        seen.append(len(images_NHWC))
        means_N3: Floats = images_NHWC.mean(axis=(1, 2), dtype=np.float32)
        return means_N3

    images_NHWC = np.arange(images * 12, dtype=np.uint8).reshape(images, 2, 2, 3)
    means_N3 = padded(run, 10)(images_NHWC)
    np.testing.assert_array_equal(means_N3, images_NHWC.mean(axis=(1, 2), dtype=np.float32))
    assert seen == [size]
