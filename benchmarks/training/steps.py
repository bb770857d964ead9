"""Times of the parts of a training step, with the code of a run, and of a matrix product as the limit."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

from core.recipes import RecipeConfig
from training.batches import Batch, Batches
from training.checkpoint import Dtype
from training.compute import autocast
from training.datasets.base import LabelledImages
from training.losses import training_loss
from training.networks import Classifier
from training.networks.layers import seed_dropout
from training.optimizers import build_optimizer, learning_rate, set_learning_rate
from training.randomness import generator
from training.rounds import RoundAnswers

PARTS = ("augmentation", "forward", "backward", "optimizer")
SIDES = (1024, 2048)
"""Sides of the square matrices; the faster one counts."""
_WARM_UP = 2
"""Steps that allocate memory and choose kernels."""
T = TypeVar("T")


def time_steps(
    classifier: Classifier,
    config: RecipeConfig,
    images: LabelledImages,
    *,
    dtype: Dtype,
    device: torch.device,
    steps: int,
) -> dict[str, float]:
    """Train for a few steps; return the median seconds of each part.

    Args:
        classifier: network with its initial weights on the device; it is changed.
        config: recipe.
        images: at least one batch.
        dtype: compute type.
        device: device of the training.
        steps: number of timed steps.
    """
    classes = int(images.labels_N.max()) + 1
    size = min(config.batch_size, len(images))
    teacher = None
    if config.distillation.teacher is not None:
        # The images of a round are made at once; with one batch per round, each step includes its share of that.
        images = LabelledImages(images.images_NHWC[:size], images.labels_N[:size])
        teacher = [RoundAnswers(torch.zeros((size, classes), dtype=torch.float16), None)] * (_WARM_UP + steps)
    mirrored_N = torch.zeros(len(images), dtype=torch.bool)
    batches = Batches(
        images, classes, config,
        fill_C=classifier.mean_colour, mirrored_N=mirrored_N, teacher=teacher, device=device,
    )  # fmt: skip
    optimizer = build_optimizer(classifier, config.optimization)
    draw = generator(config.seed, device=device)
    seed_dropout(classifier.train(), draw)
    order_N = torch.randperm(len(images), generator=generator(config.seed))
    seconds: dict[str, list[float]] = {part: [] for part in PARTS}

    def timed(part: str, call: Callable[[], T]) -> T:
        result, taken = time_call(call, device)
        seconds[part].append(taken)
        return result

    def forward(batch: Batch) -> Tensor:
        with autocast(device, dtype):
            logits_NK = classifier(batch.pixels_LHWC)
        return training_loss(logits_NK, batch, config)

    def backward(loss: Tensor) -> None:
        optimizer.zero_grad()
        loss.backward()

    for number in range(_WARM_UP + steps):
        # The first percent of the schedule, far from a learning rate of zero.
        set_learning_rate(optimizer, learning_rate(config.optimization, number, 100 * (_WARM_UP + steps)))
        index_N = order_N.roll(-number * size)[:size]
        batch = timed("augmentation", lambda: batches.augmented(index_N, number, draw))  # noqa: B023
        loss = timed("forward", lambda: forward(batch))  # noqa: B023
        timed("backward", lambda: backward(loss))  # noqa: B023
        timed("optimizer", optimizer.step)
    return {part: statistics.median(taken[_WARM_UP:]) for part, taken in seconds.items()}


def matrix_product_flops(dtype: Dtype, device: torch.device, *, repeats: int) -> float:
    """Return the floating-point operations per second of a matrix product in `dtype`, median over repeats."""

    def flops(side: int) -> float:
        draw = torch.Generator(device).manual_seed(0)
        a, b = torch.randn(2, side, side, generator=draw, device=device).to(getattr(torch, dtype))
        taken = [time_call(lambda: torch.mm(a, b), device)[1] for _ in range(repeats + 1)]
        return 2 * side**3 / statistics.median(taken[1:])  # the first one chooses a kernel

    return max(map(flops, SIDES))


def time_call(call: Callable[[], T], device: torch.device) -> tuple[T, float]:
    """Return the result of `call`, and its seconds including all work that it queues on the device."""
    _synchronize(device)
    started = time.perf_counter()
    result = call()
    _synchronize(device)
    return result, time.perf_counter() - started


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()
