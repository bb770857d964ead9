"""Explanations without a service."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

import numpy as np

from service.engine.arrays import Floats, Pixels
from service.engine.gradient_model import GradientModel
from service.engine.postprocess import RunBatch
from service.saliency.methods import METHODS, Attribution, Baseline, MethodName, Parameters, Subject, baseline_image
from service.saliency.runs import Runs

Result = TypeVar("Result")
MEAN = (0.49, 0.48, 0.45)


def at_once(call: Callable[[], Result]) -> asyncio.Future[Result]:
    """Stub of the idle queue."""
    future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
    future.set_result(call())
    return future


def parameters(
    *,
    steps: int = 32,
    samples: int = 16,
    noise: float = 0.1,
    seed: int = 0,
    window: int = 4,
    stride: int = 2,
    baseline: Baseline = "black",
) -> Parameters:
    """The API's defaults for images of 32x32, with changes."""
    return Parameters(steps, samples, noise, seed, window, stride, baseline)


async def logits_of(run_batch: RunBatch, image_HWC: Pixels) -> Floats:
    """Return the logits of one image, [K]."""
    logits_K: Floats = run_batch(image_HWC[np.newaxis]).logits_NK[0]
    return logits_K


async def explained(
    method: MethodName,
    run_batch: RunBatch,
    gradients: GradientModel,
    image_HWC: Pixels,
    target: int,
    told: Parameters,
) -> Attribution:
    """Return the explanation of one image by a method."""
    subject = Subject(
        image_HWC, baseline_image(told.baseline, image_HWC, MEAN), target, await logits_of(run_batch, image_HWC)
    )
    return await METHODS[method].explain(Runs(run_batch, gradients, at_once), subject, told)
