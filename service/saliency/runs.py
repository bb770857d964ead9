"""Batched runs of a version's graphs for one explanation, in small batches that give way to predictions."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Protocol, TypeVar

import numpy as np

from service.engine.arrays import Floats, Pixels
from service.engine.gradient_model import GradientModel
from service.engine.pace import Pace
from service.engine.postprocess import RunBatch

Result = TypeVar("Result")
Array = TypeVar("Array", Pixels, Floats)


class InBackground(Protocol):
    """Signature of `Batcher.run_background`."""

    def __call__(self, call: Callable[[], Result]) -> asyncio.Future[Result]:
        """Schedule `call` for when no prediction waits."""


class Runs:
    """Model runs of one explanation, with a few images in memory at a time.

    Attributes:
        gradients: the version's gradient graph.
        seconds: total time of the runs, without waiting.
    """

    def __init__(self, run_batch: RunBatch, gradients: GradientModel, in_background: InBackground) -> None:
        """`run_batch` runs the graph that serves predictions."""
        self.gradients = gradients
        self.seconds = 0.0
        self._run_batch = run_batch
        self._in_background = in_background

    async def logits(self, count: int, images: Callable[[slice], Pixels]) -> AsyncIterator[tuple[slice, Floats]]:
        """Yield the logits [n, K] of `count` images in batches, in order.

        Args:
            count: number of images.
            images: returns a batch, uint8 [n, H, W, 3].
        """
        async for part in self._batches(
            count, images, lambda images_NHWC: self._run_batch(images_NHWC).logits_NK, self.gradients.logits_pace
        ):
            yield part

    async def gradient(
        self, count: int, points: Callable[[slice], Floats], target_K: Floats
    ) -> AsyncIterator[tuple[slice, Floats]]:
        """Yield the gradients float32 [n, H, W, 3] of logits . target at `count` points in batches, in order.

        Args:
            count: number of points.
            points: returns a batch, float32 [n, H, W, 3] in [0, 1].
            target_K: weight of each class.
        """
        async for part in self._batches(
            count,
            points,
            lambda pixels_NHWC: self.gradients.gradient(pixels_NHWC, target_K),
            self.gradients.pace,
        ):
            yield part

    async def features(self, pixels_HWC: Floats, target_K: Floats) -> tuple[Floats, Floats]:
        """Last feature maps of one image and the gradient of logits . target there, both float32 [C, h, w]."""
        features_NCHW, gradient_NCHW = await self.apart(
            lambda: self.gradients.features(pixels_HWC[np.newaxis], target_K)
        )
        return features_NCHW[0], gradient_NCHW[0]

    async def apart(self, call: Callable[[], Result]) -> Result:
        """Run a short `call` when no prediction waits."""
        result, seconds = await self._in_background(lambda: _timed(call))
        self.seconds += seconds
        return result

    async def _batches(
        self, count: int, make: Callable[[slice], Array], run: Callable[[Array], Floats], pace: Pace
    ) -> AsyncIterator[tuple[slice, Floats]]:
        start = 0
        while start < count:
            part = slice(start, min(count, start + pace.images))
            before = self.seconds
            result = await self.apart(partial(_make_and_run, make, run, part))
            pace.record(part.stop - part.start, self.seconds - before)
            yield part, result
            start = part.stop


def _make_and_run(make: Callable[[slice], Array], run: Callable[[Array], Floats], part: slice) -> Floats:
    return run(make(part))


def _timed(call: Callable[[], Result]) -> tuple[Result, float]:
    started = time.perf_counter()
    result = call()
    return result, time.perf_counter() - started
