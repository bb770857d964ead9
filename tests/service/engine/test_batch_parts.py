"""Batches that are run in parts."""

from __future__ import annotations

import numpy as np
import pytest

from service.engine.arrays import Floats, Pixels
from service.engine.batch_parts import part_sizes, split_run


@pytest.mark.parametrize(
    ("images", "sizes"),
    [(1, (1,)), (3, (2, 1)), (7, (4, 2, 1)), (8, (8,)), (15, (16,)), (28, (16, 8, 4)), (30, (32,)), (33, (32, 1))],
)
def test_batches_are_run_in_parts_of_few_sizes(images: int, sizes: tuple[int, ...]) -> None:
    assert part_sizes(images) == sizes
    seen: list[int] = []

    def run(images_NHWC: Pixels) -> Floats:
        seen.append(len(images_NHWC))
        means_N3: Floats = images_NHWC.mean(axis=(1, 2), dtype=np.float32)
        return means_N3

    images_NHWC = np.arange(images * 12, dtype=np.uint16).astype(np.uint8).reshape(images, 2, 2, 3)
    means_N3 = split_run(run)(images_NHWC)
    np.testing.assert_array_equal(means_N3, images_NHWC.mean(axis=(1, 2), dtype=np.float32))
    assert tuple(seen) == sizes
