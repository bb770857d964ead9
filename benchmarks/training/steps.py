"""Where the time of a step goes: augmentation, forward, backward, optimizer; with the parts that a run is made of."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from benchmarks.training.ceiling import settle
from core.recipes import RecipeConfig
from training.augment.batches import Batch, Batches
from training.augment.teacher_rounds import RoundSoftLabels
from training.data.types import LabelledImages
from training.fit.dtype import autocast
from training.fit.losses import training_loss
from training.fit.optimizers import build_optimizer, learning_rate, set_learning_rate
from training.networks import Classifier
from training.networks.layers import seed_dropout
from training.run.checkpoint import Dtype
from training.run.rng import generator

PARTS = ("augmentation", "forward", "backward", "optimiser")
T = TypeVar("T")

_WARM_UP = 2
"""Steps that allocate memory and pick kernels."""


@dataclass(frozen=True)
class StepTimes:
    """Median seconds of each part of a step of `images` images."""

    images: int
    seconds: dict[str, float]

    @property
    def total(self) -> float:
        """Of all parts."""
        return sum(self.seconds.values())

    @property
    def images_per_second(self) -> float:
        """Speed of training, validation not counted."""
        return self.images / self.total

    def share(self, part: str) -> float:
        """Of the part in the whole step."""
        return self.seconds[part] / self.total


def time_steps(
    classifier: Classifier,
    config: RecipeConfig,
    images: LabelledImages,
    *,
    dtype: Dtype,
    device: torch.device,
    steps: int,
) -> StepTimes:
    """Train for a few steps with a clock between the parts; `classifier` is changed.

    Args:
        classifier: with its first weights, on the device.
        config: the recipe.
        images: at least a batch.
        dtype: compute type.
        device: where to train.
        steps: how many are measured.
    """
    classes = int(images.labels_N.max()) + 1
    mirrored_N = torch.zeros(len(images), dtype=torch.bool)
    size = min(config.batch_size, len(images))
    teacher = None
    if config.distillation.teacher is not None:
        # The pictures of a round are made at once; with one batch for a data set, every step bears its part of that.
        images = LabelledImages(images.images_NHWC[:size], images.labels_N[:size])
        # What the teacher answers takes no time, that there are answers does.
        teacher = [RoundSoftLabels(torch.zeros((size, classes), dtype=torch.float16), None)] * (_WARM_UP + steps)
    batches = Batches(
        images, classes, config,
        fill_C=classifier.mean_color, mirrored_N=mirrored_N, teacher=teacher, device=device,
    )  # fmt: skip
    optimizer = build_optimizer(classifier, config.optimization)
    draw = generator(config.seed, device=device)
    seed_dropout(classifier.train(), draw)
    order_N = torch.randperm(len(images), generator=generator(config.seed))
    clock = _Clock(device)

    def forward(batch: Batch) -> Tensor:
        with autocast(device, dtype):
            logits_NK = classifier(batch.pixels_LHWC)
        return training_loss(logits_NK, batch, config)

    def backward(loss: Tensor) -> None:
        optimizer.zero_grad()
        loss.backward()

    for number in range(_WARM_UP + steps):
        # Far from the end of the schedule: a rate of zero would be no different, and no run trains at it.
        set_learning_rate(optimizer, learning_rate(config.optimization, number, 100 * (_WARM_UP + steps)))
        index_N = order_N.roll(-number * size)[:size]
        batch = clock("augmentation", lambda: batches.augmented(index_N, number, draw))  # noqa: B023
        loss = clock("forward", lambda: forward(batch))  # noqa: B023
        clock("backward", lambda: backward(loss))  # noqa: B023
        clock("optimiser", optimizer.step)
    return StepTimes(size, {part: statistics.median(clock.seconds[part][_WARM_UP:]) for part in PARTS})


class _Clock:
    """Times calls, each with all work on the device that it has begun."""

    def __init__(self, device: torch.device) -> None:
        self.seconds: dict[str, list[float]] = {part: [] for part in PARTS}
        self._device = device

    def __call__(self, part: str, call: Callable[[], T]) -> T:
        started = time.perf_counter()
        result = call()
        settle(self._device)
        self.seconds[part].append(time.perf_counter() - started)
        return result
