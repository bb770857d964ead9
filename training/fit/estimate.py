"""Estimate of the training time from the time of a step on this machine."""

from __future__ import annotations

import copy
import math
from time import perf_counter

import torch

from core.recipes import BackboneNetwork, RecipeConfig
from training.data.preprocessing import scale_pixels
from training.data.types import LabelledImages
from training.fit.backbone_head import views_per_image
from training.fit.dtype import autocast, pick_dtype
from training.networks import Classifier

_TIMED_STEPS = 2


def estimated_seconds(
    classifier: Classifier,
    config: RecipeConfig,
    train: LabelledImages,
    *,
    passes: int,
    device: torch.device,
) -> float:
    """Estimated seconds of `passes` passes over the training images on the current number of threads.

    A forward and a backward pass of a batch are timed twice on a copy of the network; the shorter time counts.
    Augmentation, the optimizer and validation are not included. No random number is drawn.

    Args:
        classifier: the network; it is not changed.
        config: the recipe.
        train: training images.
        passes: number of passes over the training images, see `passes`.
        device: device of the training.
    """
    network = copy.deepcopy(classifier).to(device).eval()
    dtype = pick_dtype(device) if config.precision == "auto" else config.precision
    pixels_NHWC = scale_pixels(torch.from_numpy(train.images_NHWC[: config.batch_size]).to(device))
    seconds = []
    for _ in range(_TIMED_STEPS):
        started = perf_counter()
        with autocast(device, dtype):
            logits_NK = network(pixels_NHWC)
        logits_NK.float().square().mean().backward()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds.append(perf_counter() - started)
    return min(seconds) * math.ceil(len(train) / config.batch_size) * passes


def passes(config: RecipeConfig, images: int, epochs: int) -> int:
    """Passes over `images` training images in the last `epochs` epochs; the first one of a backbone has several."""
    if not isinstance(config.network, BackboneNetwork) or epochs < config.epochs:
        return epochs
    return epochs + views_per_image(config.network, images)


def duration_phrase(seconds: float) -> str:
    """An estimated time as a phrase, such as `about 12 minutes`."""
    if seconds < 90:
        return f"about {max(1, round(seconds))} s"
    if seconds < 90 * 60:
        return f"about {round(seconds / 60)} minutes"
    return f"about {seconds / 3600:.1f} hours"
