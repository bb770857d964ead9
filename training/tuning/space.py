"""Search space of a recipe: dimensions, the recipe's own point, and the configuration at a point."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from core.errors import ConfigurationError
from core.recipes import RecipeConfig

_WIDTH_MULTIPLE = 8

Point = dict[str, Any]
"""Value of every dimension, by name."""


@dataclass(frozen=True)
class Space:
    """The search space of one recipe.

    Attributes:
        dimensions: searched settings, by name.
        baseline: point of the recipe: `config(baseline)` is the recipe itself.
        config: returns the configuration at a point.
        singles: categorical dimensions whose choices are each tried alone before the search.
    """

    dimensions: Mapping[str, BaseDistribution]
    baseline: Point
    config: Callable[[Point], RecipeConfig]
    singles: tuple[str, ...]

    def planned(self) -> list[Point]:
        """Return the baseline, then the points that differ from it in one choice of `singles`."""
        points = [dict(self.baseline)]
        for name in self.singles:
            choices = self.dimensions[name]
            if not isinstance(choices, CategoricalDistribution):
                raise TypeError(f"{name} is not categorical")
            points += [{**self.baseline, name: value} for value in choices.choices if value != self.baseline[name]]
        return points

    def changes(self, point: Point) -> Point:
        """Return the values of the point that differ from the baseline."""
        return {name: value for name, value in point.items() if value != self.baseline[name]}

    def is_planned(self, point: Point) -> bool:
        """Return whether the point is planned; dimensions missing in an old journal count as the recipe's."""
        return self.changes(point) in map(self.changes, self.planned())


def require_inside(space: Space, recipe: str) -> Space:
    """Return the space if it contains the recipe's point.

    Raises:
        ConfigurationError: a setting of the recipe is outside the space; the message names it.
    """
    for name, dimension in space.dimensions.items():
        value = space.baseline[name]
        if not _contains(dimension, value):
            raise ConfigurationError(
                f"cannot tune {recipe}: its {name}, {value!r}, is not in {dimension}; change it with --set"
            )
    return space


def shown(value: object) -> str:
    """Format a setting's value for reports."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def scaled(widths: tuple[int, ...], factor: float) -> tuple[int, ...]:
    """Return each width times `factor`, rounded to a positive multiple of eight; unchanged if the factor is 1."""
    if factor == 1:
        return widths
    return tuple(max(_WIDTH_MULTIPLE, round(width * factor / _WIDTH_MULTIPLE) * _WIDTH_MULTIPLE) for width in widths)


def _contains(dimension: BaseDistribution, value: Any) -> bool:
    if isinstance(dimension, CategoricalDistribution):
        return value in dimension.choices
    if isinstance(dimension, FloatDistribution | IntDistribution):
        return bool(dimension.low <= value <= dimension.high)
    raise TypeError(f"unsupported distribution: {dimension}")
