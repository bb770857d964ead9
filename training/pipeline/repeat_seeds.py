"""Repeated training with several seeds: mean, standard deviation and confidence bound of each metric."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import CheckpointError
from core.files.durable import atomic_replace
from core.jobs.run_folder import CHECKPOINT_NAME
from core.recipes import RecipeConfig
from core.repository.manifest import Manifest
from core.repository.repository import ModelRepository
from core.statistics.intervals import mean_at_least
from training.fit.distillation import pin_teacher_version
from training.run.checkpoint import load_checkpoint
from training.run.run_folder import published_as, recover_publishing

Train = Callable[[RecipeConfig, Path, bool], Manifest]
"""(configuration, run folder, resume) -> manifest of the published version."""
_ACCURACY = "accuracy from one view"


@dataclass(frozen=True)
class Spread:
    """Values of one metric, one per seed."""

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Arithmetic mean."""
        return float(np.mean(self.values))

    @property
    def deviation(self) -> float | None:
        """Sample standard deviation (n - 1 in the denominator); None for one seed."""
        return float(np.std(self.values, ddof=1)) if len(self.values) > 1 else None


@dataclass(frozen=True)
class Goal:
    """Target for the mean single-view test accuracy over seeds, and the accuracies measured."""

    accuracy: float
    values: tuple[float, ...]

    @property
    def at_least(self) -> float | None:
        """Lower one-sided 95 % confidence bound of the mean by Student's t; None for one seed."""
        return mean_at_least(self.values) if len(self.values) > 1 else None

    @property
    def reached(self) -> bool:
        """True if the bound is at least the goal. Always False for one seed."""
        return self.at_least is not None and self.at_least >= self.accuracy

    @property
    def sentence(self) -> str:
        """The result as text."""
        mean = float(np.mean(self.values))
        if self.at_least is None:
            side = "below" if mean < self.accuracy else "not below"
            return (
                f"One run: {mean:.2%}, {side} {self.accuracy:.2%}. One run gives no confidence bound of the mean: "
                "train more seeds with --seeds"
            )
        bound = f"mean of {len(self.values)} seeds {mean:.2%}, at least {self.at_least:.2%} (one-sided 95 % t-bound)"
        return f"{'Reached' if self.reached else 'Not shown to reach'} {self.accuracy:.2%}: {bound}"


def train_seeds(
    config: RecipeConfig,
    seeds: Sequence[int],
    repository: ModelRepository,
    run_folder: Callable[[int], Path],
    train: Train,
) -> list[Manifest]:
    """Train and publish `config` once per seed. Published seeds are reused, interrupted ones are resumed.

    All seeds use the same teacher: a family name means its champion at the start of the first seed.

    Raises:
        CheckpointError: a seed was trained with other settings; the message lists them.
        DuetError: raised by `train`.
    """
    for seed in seeds:
        recover_publishing(run_folder(seed), repository)
    earlier = next(filter(None, (_existing_config(run_folder(seed), repository) for seed in seeds)), None)
    config = pin_teacher_version(config, repository, resumed=earlier)
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
    """Compare the single-view test accuracies of several seeds with a goal."""
    return Goal(accuracy, spreads(manifests)[_ACCURACY].values)


def spreads(manifests: Sequence[Manifest]) -> dict[str, Spread]:
    """Metrics of several seeds: test accuracy, log loss, calibration error and training time."""
    figures: dict[str, Callable[[Manifest], float]] = {
        _ACCURACY: lambda manifest: manifest.metrics.test_accuracy,
        "accuracy, views averaged": lambda manifest: manifest.averaged_views["fp32"].test_accuracy.value,
        "log loss": lambda manifest: manifest.metrics.test_log_loss,
        "calibration error": lambda manifest: manifest.metrics.test_ece,
        "seconds of training": lambda manifest: manifest.cost.training_seconds,
    }
    return {name: Spread(tuple(map(figure, manifests))) for name, figure in figures.items()}


def write_report(path: Path, manifests: Sequence[Manifest], goal: Goal | None = None) -> None:
    """Write recipe, environment, goal, and the values, mean and standard deviation of each metric as JSON."""
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


def _existing_config(folder: Path, repository: ModelRepository) -> RecipeConfig | None:
    """Configuration of the finished or interrupted run in `folder`; None if there is no run."""
    reference = published_as(folder)
    if reference is not None:
        return RecipeConfig.model_validate(repository.manifest(*repository.resolve(reference)).config)
    return load_checkpoint(folder).config if (folder / CHECKPOINT_NAME).exists() else None


def _require_same(manifest: Manifest, config: RecipeConfig, folder: Path) -> None:
    differences = RecipeConfig.model_validate(manifest.config).differences(config)
    if differences:
        listed = "; ".join(f"{key} was {old!r}, now {new!r}" for key, (old, new) in differences.items())
        raise CheckpointError(
            f"{manifest.reference}, trained in {folder}, has other settings than these seeds: {listed}. Use the same "
            "settings, or another --name"
        )
