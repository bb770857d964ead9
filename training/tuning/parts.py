"""Ablation dimensions of whitened networks: each part of the recipe can be removed to measure its effect."""

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
"""Strengths of the parts to try if the recipe does not have them."""


def parts_of(base: RecipeConfig) -> tuple[str, ...]:
    """Return the names of the parts; empty for other designs."""
    network = base.network
    return tuple(_SETTINGS) if isinstance(network, CNNNetwork) and network.design == "whitened" else ()


def parts_dimensions(base: RecipeConfig) -> dict[str, BaseDistribution]:
    """Return the choices of each part: absent or present, with the recipe's strength if it has one."""
    choices: dict[str, tuple[bool, ...] | tuple[float, ...]] = {
        "whitening": (False, True),
        "identity": (False, True),
        "alternate": (False, True),
        "outliers": (0.0, base.augmentation.outliers or _OUTLIERS),
        "averaging": (0.0, base.optimization.averaging or _AVERAGING),
    }
    return {name: CategoricalDistribution(choices[name]) for name in parts_of(base)}


def parts_baseline(base: RecipeConfig) -> Point:
    """Return the point of the recipe."""
    tree = base.model_dump()
    return {name: _setting(tree, _SETTINGS[name]) for name in parts_of(base)}


def parts_at(base: RecipeConfig, point: Point) -> dict[str, Any]:
    """Return the settings at a point by dotted name; journals of older releases may lack some dimensions."""
    return {_SETTINGS[name]: point[name] for name in parts_of(base) if name in point}


def _setting(tree: dict[str, Any], setting: str) -> Any:
    part, name = setting.split(".")
    return tree[part][name]
