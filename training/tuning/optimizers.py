"""Optimization dimensions of the search spaces of both families: loss, optimizer, learning rate, weight decay.

Learning rates of different optimizers are not comparable. Therefore each optimizer has default settings (those of the
recipe for its own optimizer), and the search varies factors of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from core.recipes import Optimization
from training.tuning.space import Point

_SMOOTHING = 0.1
"""Label smoothing to try if the recipe has none (Szegedy et al. 2016)."""


@dataclass(frozen=True)
class Defaults:
    """Default settings of an optimizer for a family."""

    learning_rate: float
    weight_decay: float
    momentum: float
    vector_learning_rate: float = 3e-3


def optimization_dimensions(base: Optimization, defaults: Mapping[str, Defaults]) -> dict[str, BaseDistribution]:
    """Return loss, optimizer, and factors of learning rate and weight decay."""
    names = tuple(dict.fromkeys([*defaults, base.optimizer]))
    return {
        "loss": CategoricalDistribution(("cross_entropy", "smoothed", "mse")),
        "optimizer": CategoricalDistribution(names),
        "rate": FloatDistribution(0.25, 4.0, log=True),
        "weight_decay": CategoricalDistribution((0.0, 0.3, 1.0, 3.0)),
    }


def optimization_baseline(base: Optimization) -> Point:
    """Return the point of the recipe."""
    smoothed = "smoothed" if base.label_smoothing > 0 else "cross_entropy"
    return {
        "loss": "mse" if base.loss == "mse" else smoothed,
        "optimizer": base.optimizer,
        "rate": 1.0,
        "weight_decay": 1.0 if base.weight_decay > 0 else 0.0,
    }


def optimization_at(point: Point, base: Optimization, defaults: Mapping[str, Defaults]) -> dict[str, Any]:
    """Return the settings at a point by dotted name."""
    own = point["optimizer"] == base.optimizer
    known = defaults.get(point["optimizer"])
    decay = known.weight_decay if known is not None else 0.0
    if own:
        decay = base.weight_decay or decay
        known = Defaults(base.learning_rate, decay, base.momentum, base.vector_learning_rate)
    if known is None:
        raise ValueError(f"no default settings for the optimizer {point['optimizer']}")
    settings = {
        "optimizer": point["optimizer"],
        "learning_rate": known.learning_rate * point["rate"],
        "vector_learning_rate": known.vector_learning_rate * point["rate"],
        "weight_decay": decay * point["weight_decay"],
        "momentum": known.momentum,
    }
    if point["loss"] != optimization_baseline(base)["loss"]:
        settings["loss"] = "mse" if point["loss"] == "mse" else "cross_entropy"
        settings["label_smoothing"] = (base.label_smoothing or _SMOOTHING) if point["loss"] == "smoothed" else 0.0
    return {f"optimization.{name}": value for name, value in settings.items()}
