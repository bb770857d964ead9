"""Batch sizes for execution providers that compile a graph for each size: batches are filled up to one of few sizes.

For OpenVINO, a size of a cnn takes 3.5 MB and 45 ms of CPU time. Running a batch in parts would need even fewer sizes,
but each part costs as much as one or two images.
"""

from __future__ import annotations

import numpy as np

from service.engine.arrays import Floats, Pixels, RunModel

SIZES = (1, 2, 4, 6, 8, 12, 16, 24, 28, 32)
"""Sizes up to 32. At full load, batches are a little smaller than the largest one; 28 is for these."""
_STEP = 16
"""Step of the sizes above 32."""


def compiled_size(images: int, max_batch: int) -> int:
    """Size of the batch in which `images` images run, at most `max_batch`: the next of SIZES, or a multiple of 16."""
    size = next((size for size in SIZES if size >= images), -(-images // _STEP) * _STEP)
    return min(size, max_batch)


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
