"""Search space of multilayer perceptrons (MLP)."""

from __future__ import annotations

from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution

from core.recipes import MLPNetwork, RecipeConfig
from training.tuning.augmentations import augmentation_at, augmentation_baseline, augmentation_dimensions
from training.tuning.optimizers import Defaults, optimization_at, optimization_baseline, optimization_dimensions
from training.tuning.space import Point, Space, scaled

EPOCHS = 15
"""A run on half of the images takes one minute on two cores."""
DEFAULTS = {
    "muon": Defaults(learning_rate=0.03, vector_learning_rate=1e-3, weight_decay=0.1, momentum=0.9),
    "adamw": Defaults(learning_rate=1e-3, weight_decay=0.05, momentum=0.9),
    "sgd": Defaults(learning_rate=0.1, weight_decay=5e-4, momentum=0.9),
}


def mlp_space(base: RecipeConfig) -> Space:
    """Return the space of activation, loss, optimizer, rates, dropout, width, depth and augmentation."""
    network, augmentation = base.network, base.augmentation
    if not isinstance(network, MLPNetwork):
        raise TypeError(f"{base.recipe} is not an mlp recipe")
    dimensions: dict[str, BaseDistribution] = {
        "activation": CategoricalDistribution(("relu", "gelu", "silu", "tanh")),
        **optimization_dimensions(base.optimization, DEFAULTS),
        "dropout": CategoricalDistribution(tuple(sorted({0.0, 0.1, 0.2, network.dropout}))),
        # Bounded, because a wider network is nearly always more accurate and always slower.
        "width": CategoricalDistribution((0.5, 0.75, 1.0, 1.25)),
        # Unit: two blocks, or one hidden layer.
        "depth": IntDistribution(-1 if network.blocks > 2 or len(network.hidden) > 1 else 0, 1),
        **augmentation_dimensions(augmentation, cutout=(8,), mixup=(0.2, 0.5, 1.0)),
    }
    baseline: Point = {
        "activation": network.activation,
        **optimization_baseline(base.optimization),
        "dropout": network.dropout,
        "width": 1.0,
        "depth": 0,
        **augmentation_baseline(augmentation),
    }

    def config(point: Point) -> RecipeConfig:
        return base.with_overrides(
            {
                "network.activation": point["activation"],
                "network.dropout": point["dropout"],
                **_shape(network, point),
                **augmentation_at(point),
                **optimization_at(point, base.optimization, DEFAULTS),
            }
        )

    return Space(dimensions, baseline, config, singles=("activation", "loss", "optimizer"))


def _shape(network: MLPNetwork, point: Point) -> dict[str, Any]:
    hidden, deeper = scaled(network.hidden, point["width"]), point["depth"]
    if network.blocks:
        return {"network.hidden": hidden, "network.blocks": network.blocks + 2 * deeper}
    return {"network.hidden": hidden[:-1] if deeper < 0 else hidden + hidden[-1:] * deeper}
