"""The same recipe with several seeds: how much of a figure is luck."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import CheckpointError
from core.files.durable import atomic_replace
from core.recipes import RecipeConfig
from core.repository.manifest import Manifest
from core.repository.repository import ModelRepository
from core.statistics.student import mean_at_least
from training.fit.distillation import with_exact_teacher
from training.run.checkpoint import CHECKPOINT_NAME, load_checkpoint
from training.run.run_folder import published_as, settle_publishing

Train = Callable[[RecipeConfig, Path, bool], Manifest]
"""Trains a configuration in a run folder, going on from its checkpoint where the last argument is true."""
_ACCURACY = "accuracy from one view"


@dataclass(frozen=True)
class Spread:
    """One figure of every seed, in the order of the seeds."""

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Arithmetic mean."""
        return float(np.mean(self.values))

    @property
    def deviation(self) -> float | None:
        """Standard deviation of a single run, estimated from these (n - 1 in the denominator); None for one seed."""
        return float(np.std(self.values, ddof=1)) if len(self.values) > 1 else None


@dataclass(frozen=True)
class Goal:
    """An accuracy from one view that the mean over seeds is to reach, and what the seeds say of it."""

    accuracy: float
    values: tuple[float, ...]

    @property
    def at_least(self) -> float | None:
        """One-sided 95 % bound of the mean over seeds by Student's t; None for one seed, which is one run."""
        return mean_at_least(self.values) if len(self.values) > 1 else None

    @property
    def reached(self) -> bool:
        """Whether the bound is at least the goal; a single run reaches none."""
        return self.at_least is not None and self.at_least >= self.accuracy

    @property
    def sentence(self) -> str:
        """The result in words."""
        mean = float(np.mean(self.values))
        if self.at_least is None:
            side = "below" if mean < self.accuracy else "not below"
            return (
                f"One run: {mean:.2%}, {side} {self.accuracy:.2%}. One run shows nothing of the mean over seeds: "
                "train more with --seeds"
            )
        said = f"mean of {len(self.values)} seeds {mean:.2%}, at least {self.at_least:.2%} (one-sided 95 % t-bound)"
        return f"{'Reached' if self.reached else 'Not shown to reach'} {self.accuracy:.2%}: {said}"


def train_seeds(
    config: RecipeConfig,
    seeds: Sequence[int],
    repository: ModelRepository,
    run_folder: Callable[[int], Path],
    train: Train,
) -> list[Manifest]:
    """Train and publish `config` with each seed; seeds that are done are kept, one that was interrupted goes on.

    All seeds learn from the same teacher: a family stands for its champion when the first of them was begun.

    Args:
        config: the recipe, with overrides merged in.
        seeds: in the order of the answer.
        repository: holds the versions of the seeds that are done.
        run_folder: seed -> folder of its run.
        train: does one seed.

    Raises:
        CheckpointError: a seed was trained with other settings; the message lists them.
        DuetError: as `train` does.
    """
    for seed in seeds:
        settle_publishing(run_folder(seed), repository)
    begun = next(filter(None, (_begun(run_folder(seed), repository) for seed in seeds)), None)
    config = with_exact_teacher(config, repository, begun=begun)
    manifests = []
    for seed in seeds:
        seeded, folder = config.with_overrides({"seed": seed}), run_folder(seed)
        reference = published_as(folder)
        if reference is None:
            manifests.append(train(seeded, folder, (folder / CHECKPOINT_NAME).exists()))
        else:
            manifest = repository.manifest(*repository.resolve(reference))
            _require_same(manifest, seeded, folder)
            manifests.append(manifest)
    return manifests


def accuracy_goal(accuracy: float, manifests: Sequence[Manifest]) -> Goal:
    """The goal for the test accuracy from one view, with that of each seed."""
    return Goal(accuracy, spreads(manifests)[_ACCURACY].values)


def spreads(manifests: Sequence[Manifest]) -> dict[str, Spread]:
    """The figures that several seeds are compared by, all on the test images, with what they took."""
    figures: dict[str, Callable[[Manifest], float]] = {
        _ACCURACY: lambda manifest: manifest.metrics.test_accuracy,
        "accuracy, views averaged": lambda manifest: manifest.averaged_views["fp32"].test_accuracy.value,
        "log loss": lambda manifest: manifest.metrics.test_log_loss,
        "calibration error": lambda manifest: manifest.metrics.test_ece,
        "seconds of training": lambda manifest: manifest.cost.training_seconds,
    }
    return {name: Spread(tuple(map(figure, manifests))) for name, figure in figures.items()}


def write_report(path: Path, manifests: Sequence[Manifest], goal: Goal | None = None) -> None:
    """Write every value with mean and standard deviation as JSON, and what they were trained by.

    Args:
        path: of the file; its folder is made if it does not exist.
        manifests: one a seed.
        goal: is written with its bound and whether it was reached.

    Raises:
        OSError: the file could not be written.
    """
    content: dict[str, Any] = {
        "recipe": manifests[0].recipe,
        "config": {key: value for key, value in manifests[0].config.items() if key != "seed"},
        "environment": manifests[0].environment.model_dump(),
        "seeds": {manifest.seed: manifest.reference for manifest in manifests},
        "figures": {
            name: {"values": spread.values, "mean": spread.mean, "standard_deviation": spread.deviation}
            for name, spread in spreads(manifests).items()
        },
    }
    if goal is not None:
        content["goal"] = {"accuracy": goal.accuracy, "mean_at_least": goal.at_least, "reached": goal.reached}
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_replace(path, (json.dumps(content, indent=2) + "\n").encode())


def _begun(folder: Path, repository: ModelRepository) -> RecipeConfig | None:
    """The configuration of the run in the folder, finished or not; None where there is none."""
    reference = published_as(folder)
    if reference is not None:
        return RecipeConfig.model_validate(repository.manifest(*repository.resolve(reference)).config)
    return load_checkpoint(folder).config if (folder / CHECKPOINT_NAME).exists() else None


def _require_same(manifest: Manifest, config: RecipeConfig, folder: Path) -> None:
    differences = RecipeConfig.model_validate(manifest.config).differences(config)
    if differences:
        listed = "; ".join(f"{key} was {old!r}, now {new!r}" for key, (old, new) in differences.items())
        raise CheckpointError(
            f"{manifest.reference}, trained in {folder}, does not belong to these seeds: {listed}. Give the same "
            "settings, or another --name"
        )
