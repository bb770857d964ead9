"""Batch sizes for execution providers that compile a graph for each size: batches are filled up to one of few sizes.

For OpenVINO, a size of a cnn takes 3.5 MB and 45 ms of CPU time. Running a batch in parts would need even fewer sizes,
but each part costs as much as one or two images.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from service.engine.arrays import Floats, Pixels, RunModel


def compiled_size(images: int, max_batch: int) -> int:
    """Size of the batch in which `images` images run, at most `max_batch`: 1, 2, 4, 6, 8, 12, 16, 20, 24, 28, 32, ...

    Above 16, there are four sizes per doubling.
    """
    step = 1 if images <= 2 else 2 if images <= 8 else max(4, 1 << ((images - 1).bit_length() - 3))
    return min(-(-images // step) * step, max_batch)


def compiled_sizes(largest: int, max_batch: int) -> Iterator[int]:
    """All sizes of `compiled_size` for up to `largest` images, ascending."""
    size = 0
    while size < min(largest, max_batch):
        size = compiled_size(size + 1, max_batch)
        yield size


def padded(run: RunModel, max_batch: int) -> RunModel:
    """Wrap `run`: batches of up to `max_batch` images are filled up to `compiled_size` with black images.

    The logits of the black images are dropped.
    """

    def run_padded(images_NHWC: Pixels) -> Floats:
        count = len(images_NHWC)
        size = compiled_size(count, max_batch)
        if size == count:
            return run(images_NHWC)
        filled_NHWC = np.zeros((size, *images_NHWC.shape[1:]), np.uint8)
        filled_NHWC[:count] = images_NHWC
        return run(filled_NHWC)[:count]

    return run_padded
