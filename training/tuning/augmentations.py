"""Augmentation dimensions of the search spaces of both families."""

from __future__ import annotations

from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution

from core.recipes import Augmentation
from training.tuning.space import Point

_NAMES = ("translate", "rotate", "stretch", "cutout", "mixup")


def augmentation_dimensions(
    base: Augmentation, *, cutout: tuple[int, ...], mixup: tuple[float, ...]
) -> dict[str, BaseDistribution]:
    """Return the strength of each augmentation; the choices include zero and the recipe's value."""
    return {
        "translate": IntDistribution(0, max(4, base.translate)),
        "rotate": _choices(10.0, 20.0, own=base.rotate),
        "stretch": _choices(0.1, 0.2, own=base.stretch),
        "cutout": _choices(*cutout, own=base.cutout),
        "mixup": _choices(*mixup, own=base.mixup),
    }


def augmentation_baseline(base: Augmentation) -> Point:
    """Return the point of the recipe."""
    return {name: getattr(base, name) for name in _NAMES}


def augmentation_at(point: Point) -> dict[str, Any]:
    """Return the settings at a point by dotted name; journals of older releases may lack some dimensions."""
    return {f"augmentation.{name}": point[name] for name in _NAMES if name in point}


def _choices(*offered: float, own: float) -> CategoricalDistribution:
    return CategoricalDistribution(tuple(sorted({type(own)(0), *offered, own})))
