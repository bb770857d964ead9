"""The whole measurement: parts of a step, the machine's ceiling, and the race of recipe and plain loop to a target."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console

from benchmarks.training.ceiling import ceiling_flops
from benchmarks.training.plain import plain_epochs
from benchmarks.training.steps import StepTimes, time_steps
from core.recipes import RecipeConfig
from training.data.split_dataset import Images
from training.fit.dtype import pick_dtype
from training.fit.loop import FitInputs, fit
from training.networks import Classifier, count_macs
from training.networks.init import initialize, whiten
from training.pipeline.train import new_classifier
from training.run.checkpoint import Dtype, EpochRecord
from training.run.rng import generator
from training.tuning.ablation.progress import StudyProgress
from training.tuning.ablation.study_setup import WatchedRun

PASSES = 3
"""A backward pass multiplies twice as often as the forward pass before it."""


@dataclass(frozen=True)
class Racer:
    """One way to train: its speed, and when it reached the target."""

    name: str
    accuracies: tuple[float, ...]
    """On the validation images, after each epoch."""
    seconds: tuple[float, ...]
    """Of each epoch, validation included."""
    images_per_second: float
    """Of the last epoch, augmentation and data loading included."""
    target: float

    @property
    def seconds_to_target(self) -> float | None:
        """Wall time up to the end of the first epoch that reached the target; None where none did."""
        for epoch, accuracy in enumerate(self.accuracies):
            if accuracy >= self.target:
                return sum(self.seconds[: epoch + 1])
        return None


@dataclass(frozen=True)
class Results:
    """All that was measured of one recipe."""

    recipe: str
    dtype: Dtype
    threads: int
    step: StepTimes
    macs: int
    ceiling: float
    """Floating-point operations per second of a matrix product in the same compute type."""
    racers: tuple[Racer, ...]

    @property
    def flops(self) -> float:
        """Floating-point operations per second of the step, those of dense and convolutional layers alone."""
        return self.step.images_per_second * self.macs * 2 * PASSES


def run(
    config: RecipeConfig,
    images: Images,
    *,
    target: float,
    steps: int,
    threads: int,
    device: torch.device,
    console: Console,
) -> Results:
    """Measure a recipe at its number of epochs; the same images for all.

    Raises:
        TrainingDivergedError: the recipe's loss is no longer finite.
    """
    torch.set_num_threads(threads)
    dtype = _dtype(config, device)
    console.print(f"{config.recipe} in {dtype}: the parts of a step")
    train = images.part("train")
    step = time_steps(_fresh(config, images, device), config, train, dtype=dtype, device=device, steps=steps)
    ceiling = ceiling_flops(dtype, device, repeats=steps)
    _, height, width, _ = train.images_NHWC.shape
    macs = count_macs(_fresh(config, images, torch.device("cpu")), height=height, width=width)
    racers = []
    if target > 0 and config.distillation.teacher is not None:
        console.print(f"{config.recipe} learns from a teacher, which the plain loop cannot: no race")
    elif target > 0:
        racers = [
            _recipe(config.with_overrides({"precision": dtype}), images, target, threads, device),
            _plain(config, images, target, device, console),
        ]
    return Results(config.recipe, dtype, threads, step, macs, ceiling, tuple(racers))


class _ReachedError(Exception):
    """The target was reached: the rest of the run would tell nothing."""


def _recipe(config: RecipeConfig, images: Images, target: float, threads: int, device: torch.device) -> Racer:
    records: list[EpochRecord] = []

    def on_epoch(record: EpochRecord) -> None:
        records.append(record)
        if (record.validation_accuracy or 0.0) >= target:
            raise _ReachedError

    train = images.part("train")
    inputs = FitInputs(
        train=train,
        validation=images.part("validation"),
        classes=len(images.dataset.class_names),
        data_digest=images.dataset.digest,
        split_digest=images.split.digest,
    )
    with tempfile.TemporaryDirectory() as folder, StudyProgress() as progress:
        try:
            fit(
                new_classifier(config, images), config, inputs, Path(folder), reporter=WatchedRun(progress, on_epoch),
                threads=threads, device=device,
            )  # fmt: skip
        except _ReachedError:
            progress.line(f"{config.recipe} has reached {target:.0%} after {len(records)} epochs")
    return Racer(
        config.recipe,
        tuple(record.validation_accuracy or 0.0 for record in records),
        tuple(record.seconds for record in records),
        len(train) / records[-1].seconds,
        target,
    )


def _plain(config: RecipeConfig, images: Images, target: float, device: torch.device, console: Console) -> Racer:
    train, epochs = images.part("train"), []
    classifier = _fresh(config, images, device)
    torch.use_deterministic_algorithms(False)
    for epoch in plain_epochs(classifier, config, train, images.part("validation"), device=device):
        epochs.append(epoch)
        console.print(f"plain loop, epoch {len(epochs)}: {epoch.accuracy:.2%} in {epoch.seconds:.0f} s")
        if epoch.accuracy >= target:
            break
    return Racer(
        "plain loop",
        tuple(epoch.accuracy for epoch in epochs),
        tuple(epoch.seconds for epoch in epochs),
        len(train) / epochs[-1].seconds,
        target,
    )


def _fresh(config: RecipeConfig, images: Images, device: torch.device) -> Classifier:
    """The recipe's network with its first weights."""
    classifier = new_classifier(config, images)
    initialize(classifier, generator(config.seed))
    whiten(classifier, torch.from_numpy(images.part("train").images_NHWC))
    return classifier.to(device)


def _dtype(config: RecipeConfig, device: torch.device) -> Dtype:
    return pick_dtype(device) if config.precision == "auto" else config.precision
