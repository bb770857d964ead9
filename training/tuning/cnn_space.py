"""Search space of convolutional networks."""

from __future__ import annotations

from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution

from core.recipes import CNNNetwork, RecipeConfig
from training.tuning.augmentations import augmentation_at, augmentation_baseline, augmentation_dimensions
from training.tuning.optimizers import Defaults, optimization_at, optimization_baseline, optimization_dimensions
from training.tuning.parts import parts_at, parts_baseline, parts_dimensions, parts_of
from training.tuning.space import Point, Space, scaled

EPOCHS = 6
"""A run of `cnn_fast` on half of the images takes three minutes on two cores with AMX, about eight without AMX."""
MAX_CONVOLUTIONS = 4
DEFAULTS = {
    "muon": Defaults(learning_rate=0.1, vector_learning_rate=0.01, weight_decay=0.05, momentum=0.6),
    "adamw": Defaults(learning_rate=2e-3, weight_decay=0.05, momentum=0.9),
    "sgd": Defaults(learning_rate=0.1, weight_decay=5e-4, momentum=0.9),
}


def cnn_space(base: RecipeConfig) -> Space:
    """Return the space of activation, loss, optimizer, rates, width, depth, augmentation and whitened-network parts."""
    network, augmentation = base.network, base.augmentation
    if not isinstance(network, CNNNetwork):
        raise TypeError(f"{base.recipe} is not a cnn recipe")
    dimensions: dict[str, BaseDistribution] = {
        "activation": CategoricalDistribution(("relu", "gelu", "silu", "tanh")),
        **optimization_dimensions(base.optimization, DEFAULTS),
        # Bounded, because a wider network is nearly always more accurate and always slower.
        "width": CategoricalDistribution((0.5, 0.75, 1.0, 1.25)),
        "depth": IntDistribution(
            -1 if network.convolutions > 1 else 0, 1 if network.convolutions < MAX_CONVOLUTIONS else 0
        ),
        **augmentation_dimensions(augmentation, cutout=(8, 12), mixup=(0.2, 0.5)),
        **parts_dimensions(base),
    }
    baseline: Point = {
        "activation": network.activation,
        **optimization_baseline(base.optimization),
        "width": 1.0,
        "depth": 0,
        **augmentation_baseline(augmentation),
        **parts_baseline(base),
    }

    def config(point: Point) -> RecipeConfig:
        return base.with_overrides(
            {
                "network.activation": point["activation"],
                "network.channels": scaled(network.channels, point["width"]),
                "network.convolutions": network.convolutions + point["depth"],
                **augmentation_at(point),
                **parts_at(base, point),
                **optimization_at(point, base.optimization, DEFAULTS),
            }
        )

    return Space(dimensions, baseline, config, singles=("activation", "loss", "optimizer", *parts_of(base)))
