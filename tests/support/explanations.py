"""Explanations without a service."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from core.records.explanations import SMOOTHGRAD_NOISE
from service.engine.arrays import Floats, Pixels
from service.engine.gradient_model import GradientModel
from service.engine.postprocess import RunBatch
from service.saliency.baselines import Baseline, baseline_image
from service.saliency.methods import METHODS, Attribution, MethodName, Parameters, Subject
from service.saliency.runs import Runs

Result = TypeVar("Result")
MEAN = (0.49, 0.48, 0.45)


def at_once(call: Callable[[], Result]) -> asyncio.Future[Result]:
    """Stub of the idle queue."""
    future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
    future.set_result(call())
    return future


def parameters(*, baseline: Baseline = "black", **changes: Any) -> Parameters:
    """Return the API's defaults for images of 32x32, with changes."""
    defaults = Parameters(steps=32, samples=16, noise=SMOOTHGRAD_NOISE, seed=0, window=4, stride=2, baseline=baseline)
    return replace(defaults, **changes)


async def explained(
    method: MethodName, run_batch: RunBatch, gradients: GradientModel, image_HWC: Pixels, target: int, told: Parameters
) -> Attribution:
    """Return the explanation of one image by a method."""
    logits_K: Floats = run_batch(image_HWC[np.newaxis]).logits_NK[0]
    subject = Subject(image_HWC, baseline_image(told.baseline, image_HWC, MEAN), target, logits_K)
    return await METHODS[method].explain(Runs(run_batch, gradients, at_once), subject, told)
