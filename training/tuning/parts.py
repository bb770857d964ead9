"""What a whitened network's recipe is put together of: each part can be left out, to show what it gives."""

from __future__ import annotations

from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution

from core.recipes import CNNNetwork, RecipeConfig
from training.tuning.space import Point

_SETTINGS = {
    "whitening": "network.whitening",
    "identity": "network.identity",
    "alternate": "augmentation.alternate",
    "outliers": "augmentation.outliers",
    "averaging": "optimization.averaging",
}
_OUTLIERS, _AVERAGING = 0.02, 1.0
"""Strengths with which a part is tried that the recipe does without."""


def parts_of(base: RecipeConfig) -> tuple[str, ...]:
    """Names of the parts; there are none in a textbook's network."""
    network = base.network
    return tuple(_SETTINGS) if isinstance(network, CNNNetwork) and network.design == "whitened" else ()


def parts_dimensions(base: RecipeConfig) -> dict[str, BaseDistribution]:
    """Each part as the recipe has it, and without it; one that it lacks, with it."""
    choices: dict[str, tuple[bool, ...] | tuple[float, ...]] = {
        "whitening": (False, True),
        "identity": (False, True),
        "alternate": (False, True),
        "outliers": (0.0, base.augmentation.outliers or _OUTLIERS),
        "averaging": (0.0, base.optimization.averaging or _AVERAGING),
    }
    return {name: CategoricalDistribution(choices[name]) for name in parts_of(base)}


def parts_baseline(base: RecipeConfig) -> Point:
    """Where the recipe stands."""
    tree = base.model_dump()
    return {name: _at(tree, _SETTINGS[name]) for name in parts_of(base)}


def parts_at(base: RecipeConfig, point: Point) -> dict[str, Any]:
    """The settings at a point, by their dotted names; a journal of an older release may lack some dimensions."""
    return {_SETTINGS[name]: point[name] for name in parts_of(base) if name in point}


def _at(tree: dict[str, Any], setting: str) -> Any:
    part, name = setting.split(".")
    return tree[part][name]
