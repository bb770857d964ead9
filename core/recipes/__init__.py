"""Recipes: named functions that return a full configuration, one file each.

To add one, write its file here and name its function in `RECIPES`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from core.errors import ConfigurationError, did_you_mean
from core.recipes.base import (
    Augmentation,
    BackboneNetwork,
    CNNNetwork,
    Distillation,
    MLPNetwork,
    Optimization,
    RecipeConfig,
)
from core.recipes.cnn_baseline import cnn_baseline
from core.recipes.cnn_best import cnn_best
from core.recipes.cnn_distilled import cnn_distilled
from core.recipes.cnn_fast import cnn_fast
from core.recipes.cnn_robust import cnn_robust
from core.recipes.mlp_baseline import mlp_baseline
from core.recipes.mlp_best import mlp_best
from core.recipes.mlp_labels import mlp_labels
from core.recipes.overrides import parse_override
from core.recipes.photo import photo

RECIPES: Mapping[str, Callable[[], RecipeConfig]] = MappingProxyType(
    {
        recipe.__name__: recipe
        for recipe in (
            mlp_baseline, mlp_labels, mlp_best, cnn_baseline, cnn_fast, cnn_best, cnn_robust, cnn_distilled,
            photo,
        )
    }
)  # fmt: skip


def recipe_config(name: str) -> RecipeConfig:
    """The full configuration of the recipe `name`.

    Raises:
        ConfigurationError: there is no such recipe; the message lists those that exist.
    """
    try:
        return RECIPES[name]()
    except KeyError:
        raise ConfigurationError(
            f"unknown recipe {name!r}{did_you_mean(name, RECIPES)}: available recipes are {', '.join(sorted(RECIPES))}"
        ) from None


__all__ = [
    "RECIPES",
    "Augmentation",
    "BackboneNetwork",
    "CNNNetwork",
    "Distillation",
    "MLPNetwork",
    "Optimization",
    "RecipeConfig",
    "parse_override",
    "recipe_config",
]
