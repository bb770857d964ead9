"""A search space: what may change in a recipe, where the recipe itself stands in it, and what a point means."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from core.errors import ConfigurationError
from core.recipes import RecipeConfig

Point = dict[str, Any]
"""A value for every dimension, by name."""


@dataclass(frozen=True)
class Space:
    """The search space of one recipe.

    Attributes:
        dimensions: what may change, by name.
        baseline: the point at which the recipe stands: `config(baseline)` is the recipe itself.
        config: the configuration at a point.
        singles: dimensions whose every other choice is tried alone, before the search begins.
    """

    dimensions: Mapping[str, BaseDistribution]
    baseline: Point
    config: Callable[[Point], RecipeConfig]
    singles: tuple[str, ...]

    def planned(self) -> list[Point]:
        """The baseline, then the points that differ from it in one choice."""
        points = [dict(self.baseline)]
        for name in self.singles:
            choices = self.dimensions[name]
            if not isinstance(choices, CategoricalDistribution):
                raise TypeError(f"{name} is not a choice")
            points += [{**self.baseline, name: value} for value in choices.choices if value != self.baseline[name]]
        return points

    def changes(self, point: Point) -> Point:
        """What of the point differs from the baseline."""
        return {name: value for name, value in point.items() if value != self.baseline[name]}

    def is_planned(self, point: Point) -> bool:
        """Whether the point is a planned one; what a journal of an older release lacks is as the recipe has it."""
        return self.changes(point) in map(self.changes, self.planned())


def require_inside(space: Space, recipe: str) -> Space:
    """The space itself, if the recipe lies in it.

    Raises:
        ConfigurationError: a setting of the recipe is not among those that the space holds; the message says which.
    """
    for name, dimension in space.dimensions.items():
        value = space.baseline[name]
        if not _holds(dimension, value):
            raise ConfigurationError(f"cannot tune {recipe}: its {name}, {value!r}, is not in {dimension}")
    return space


def shown(value: object) -> str:
    """A setting's value for people."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _holds(dimension: BaseDistribution, value: Any) -> bool:
    if isinstance(dimension, CategoricalDistribution):
        return value in dimension.choices
    if isinstance(dimension, FloatDistribution | IntDistribution):
        return bool(dimension.low <= value <= dimension.high)
    raise TypeError(f"no values are known of {dimension}")
