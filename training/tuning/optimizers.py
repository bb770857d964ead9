"""What the spaces of both families have in common: loss, optimizer, rate and weight decay.

A rate that suits one optimizer is useless to another. So each comes with settings of its own, the recipe's optimizer
with the recipe's, and the search looks for factors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from core.recipes import Optimization
from training.tuning.space import Point

_SMOOTHING = 0.1
"""Label smoothing where the recipe has none to try it with (Szegedy et al. 2016)."""


@dataclass(frozen=True)
class Defaults:
    """Settings with which an optimizer is known to work for a family."""

    learning_rate: float
    weight_decay: float
    momentum: float
    vector_learning_rate: float = 3e-3


def optimization_dimensions(base: Optimization, hand_set: Mapping[str, Defaults]) -> dict[str, BaseDistribution]:
    """Loss, optimizer, and factors of its learning rates and its weight decay."""
    names = tuple(dict.fromkeys([*hand_set, base.optimizer]))
    return {
        "loss": CategoricalDistribution(("cross_entropy", "smoothed", "mse")),
        "optimizer": CategoricalDistribution(names),
        "rate": FloatDistribution(0.25, 4.0, log=True),
        "weight_decay": CategoricalDistribution((0.0, 0.3, 1.0, 3.0)),
    }


def optimization_baseline(base: Optimization) -> Point:
    """Where the recipe stands."""
    smoothed = "smoothed" if base.label_smoothing > 0 else "cross_entropy"
    return {
        "loss": "mse" if base.loss == "mse" else smoothed,
        "optimizer": base.optimizer,
        "rate": 1.0,
        "weight_decay": 1.0 if base.weight_decay > 0 else 0.0,
    }


def optimization_at(point: Point, base: Optimization, hand_set: Mapping[str, Defaults]) -> dict[str, Any]:
    """The settings at a point, by their dotted names."""
    own = point["optimizer"] == base.optimizer
    known = hand_set.get(point["optimizer"])
    decay = known.weight_decay if known is not None else 0.0
    if own:
        decay = base.weight_decay or decay
        known = Defaults(base.learning_rate, decay, base.momentum, base.vector_learning_rate)
    if known is None:
        raise ValueError(f"no settings for {point['optimizer']}")
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
