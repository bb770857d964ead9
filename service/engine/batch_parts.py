"""Batches in parts of few sizes, for execution providers that compile a graph for each batch size."""

from __future__ import annotations

from functools import cache

import numpy as np

from service.engine.arrays import Floats, Pixels, RunModel


def split_run(run: RunModel) -> RunModel:
    """`run` in parts whose sizes are powers of two, so that few sizes are compiled.

    OpenVINO compiles a graph for each batch size, which takes 3.5 MB and 45 ms of CPU time for a cnn. A batch that
    lacks at most 1/16 of a power of two is filled up with black images, whose logits are dropped.
    """

    def run_parts(images_NHWC: Pixels) -> Floats:
        sizes = part_sizes(len(images_NHWC))
        if len(sizes) == 1 and sizes[0] == len(images_NHWC):
            return run(images_NHWC)
        missing = sum(sizes) - len(images_NHWC)
        if missing:
            black_NHWC = np.zeros((missing, *images_NHWC.shape[1:]), np.uint8)
            return run(np.concatenate([images_NHWC, black_NHWC]))[: len(images_NHWC)]
        stops = np.cumsum(sizes)
        return np.concatenate([run(images_NHWC[stop - size : stop]) for size, stop in zip(sizes, stops, strict=True)])

    return run_parts


@cache
def part_sizes(images: int) -> tuple[int, ...]:
    """Sizes of the parts in which `split_run` runs a batch, in order; a single one may be larger than the batch."""
    above = 1 << (images - 1).bit_length()
    if above - images <= above // 16:
        return (above,)
    return tuple(1 << bit for bit in reversed(range(images.bit_length())) if images >> bit & 1)
