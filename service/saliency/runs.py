"""Batched runs of a version's graphs for one explanation, in small batches that give way to predictions."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Protocol, TypeVar

import numpy as np

from service.engine.arrays import Floats, Pixels
from service.engine.gradient_model import GradientModel, Pace
from service.engine.postprocess import RunBatch

Result = TypeVar("Result")


class InBackground(Protocol):
    """Signature of `Batcher.run_background`."""

    def __call__(self, call: Callable[[], Result]) -> asyncio.Future[Result]:
        """Schedule `call` for when no prediction waits."""


class Runs:
    """Model runs of one explanation, with a few images in memory at a time.

    Attributes:
        seconds: total time of the runs, without waiting.
    """

    def __init__(self, run_batch: RunBatch, gradients: GradientModel | None, in_background: InBackground) -> None:
        """`run_batch` runs the graph that serves predictions; `gradients` is the gradient graph, if there is one."""
        self._gradients = gradients
        self._logits_pace = Pace() if gradients is None else gradients.logits_pace
        self.seconds = 0.0
        self._run_batch = run_batch
        self._in_background = in_background

    @property
    def gradients(self) -> GradientModel:
        """The version's gradient graph; `fitting_gradients` has checked that methods that use it have one."""
        if self._gradients is None:
            raise RuntimeError("the version has no gradient graph")
        return self._gradients

    def logits(self, count: int, images: Callable[[slice], Pixels]) -> AsyncIterator[tuple[slice, Floats]]:
        """Yield the logits [n, K] of `count` images in batches, in order.

        Args:
            count: number of images.
            images: returns a batch, uint8 [n, H, W, 3].
        """
        return self._batches(count, lambda part: self._run_batch(images(part)).logits_NK, self._logits_pace)

    def gradient(
        self, count: int, points: Callable[[slice], Floats], target_K: Floats
    ) -> AsyncIterator[tuple[slice, Floats]]:
        """Yield the gradients float32 [n, H, W, 3] of logits . target at `count` points in batches, in order.

        Args:
            count: number of points.
            points: returns a batch, float32 [n, H, W, 3] in [0, 1].
            target_K: weight of each class.
        """
        run = self.gradients.gradient
        return self._batches(count, lambda part: run(points(part), target_K), self.gradients.pace)

    def gradient_and_logits(
        self, count: int, points: Callable[[slice], Floats], target_K: Floats
    ) -> AsyncIterator[tuple[slice, tuple[Floats, Floats]]]:
        """Same as `gradient`, with the logits [n, K] at the same points."""
        run = self.gradients.gradient_and_logits
        return self._batches(count, lambda part: run(points(part), target_K), self.gradients.pace)

    async def features(self, pixels_HWC: Floats, target_K: Floats) -> tuple[Floats, Floats]:
        """Last feature maps of one image and the gradient of logits . target there, both float32 [C, h, w]."""
        run = partial(self.gradients.features, pixels_HWC[np.newaxis], target_K)
        features_NCHW, gradient_NCHW = await self._in_turn(run)
        return features_NCHW[0], gradient_NCHW[0]

    async def _in_turn(self, call: Callable[[], Result]) -> Result:
        """Run a short `call` when no prediction waits."""
        result, seconds = await self._in_background(partial(_timed, call))
        self.seconds += seconds
        return result

    async def _batches(
        self, count: int, run: Callable[[slice], Result], pace: Pace
    ) -> AsyncIterator[tuple[slice, Result]]:
        start = 0
        while start < count:
            part = slice(start, min(count, start + pace.images))
            before = self.seconds
            result = await self._in_turn(partial(run, part))
            pace.record(part.stop - part.start, self.seconds - before)
            yield part, result
            start = part.stop


def _timed(call: Callable[[], Result]) -> tuple[Result, float]:
    started = time.perf_counter()
    result = call()
    return result, time.perf_counter() - started
