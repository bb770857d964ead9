"""Search space of a recipe: dimensions, the recipe's own point, and the configuration at a point.

Most dimensions are settings of the recipe. Learning rates of different optimizers are not comparable. Therefore each
optimizer has default settings (those of the recipe for its own optimizer), and the search varies factors of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from core.errors import ConfigurationError
from core.recipes import Augmentation, BackboneNetwork, CNNNetwork, MLPNetwork, Optimization, RecipeConfig

Point = dict[str, Any]
"""Value of every dimension, by name."""


@dataclass(frozen=True)
class Defaults:
    """Default settings of an optimizer for a family."""

    learning_rate: float
    weight_decay: float
    momentum: float
    vector_learning_rate: float = 3e-3


_DEFAULTS = {
    "mlp": {
        "muon": Defaults(learning_rate=0.03, vector_learning_rate=1e-3, weight_decay=0.1, momentum=0.9),
        "adamw": Defaults(learning_rate=1e-3, weight_decay=0.05, momentum=0.9),
        "sgd": Defaults(learning_rate=0.1, weight_decay=5e-4, momentum=0.9),
    },
    "cnn": {
        "muon": Defaults(learning_rate=0.1, vector_learning_rate=0.01, weight_decay=0.05, momentum=0.6),
        "adamw": Defaults(learning_rate=2e-3, weight_decay=0.05, momentum=0.9),
        "sgd": Defaults(learning_rate=0.1, weight_decay=5e-4, momentum=0.9),
    },
}
_EPOCHS = {"mlp": 15, "cnn": 6}
"""Epochs of a trial. On half of the images and two cores, it takes a minute for an MLP, and three (with AMX) to eight
minutes for `cnn_fast`."""
_PARTS = {
    "whitening": "network.whitening",
    "identity": "network.identity",
    "alternate": "augmentation.alternate",
    "outliers": "augmentation.outliers",
    "averaging": "optimization.averaging",
}
"""Parts of a whitened network that can be removed to measure their effect."""
_OUTLIERS, _AVERAGING = 0.02, 1.0
"""Strengths of the parts to try if the recipe does not have them."""
_SETTINGS = {
    "activation": "network.activation",
    "dropout": "network.dropout",
    **{name: f"augmentation.{name}" for name in ("translate", "rotate", "stretch", "cutout", "mixup")},
    **_PARTS,
}
"""Dimensions that are settings of the recipe, by dotted name."""
_SMOOTHING = 0.1
"""Label smoothing to try if the recipe has none (Szegedy et al. 2016)."""
_MAX_CONVOLUTIONS = 4
_WIDTH_MULTIPLE = 8


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
                f"cannot tune {recipe}: its {name}, {value!r}, is not in {dimension}: change it with --set"
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


def space_for(config: RecipeConfig) -> Space:
    """Return the search space around a recipe.

    Raises:
        ConfigurationError: the recipe is outside its family's space, or has a pretrained network.
    """
    network, optimization = _searchable(config), config.optimization
    parts = _part_dimensions(config) if isinstance(network, CNNNetwork) and network.design == "whitened" else {}
    dimensions: dict[str, BaseDistribution] = {
        "activation": CategoricalDistribution(("relu", "gelu", "silu", "tanh")),
        "loss": CategoricalDistribution(("cross_entropy", "smoothed", "mse")),
        "optimizer": CategoricalDistribution(tuple(dict.fromkeys([*_DEFAULTS[network.kind], optimization.optimizer]))),
        "rate": FloatDistribution(0.25, 4.0, log=True),
        "weight_decay": CategoricalDistribution((0.0, 0.3, 1.0, 3.0)),
        **({"dropout": _choices(0.1, 0.2, own=network.dropout)} if isinstance(network, MLPNetwork) else {}),
        # Bounded, because a wider network is nearly always more accurate and always slower.
        "width": CategoricalDistribution((0.5, 0.75, 1.0, 1.25)),
        "depth": _depths(network),
        **_augmentation_dimensions(config.augmentation, network.kind),
        **parts,
    }
    derived: Point = {
        "loss": _loss(optimization),
        "optimizer": optimization.optimizer,
        "rate": 1.0,
        "weight_decay": 1.0 if optimization.weight_decay > 0 else 0.0,
        "width": 1.0,
        "depth": 0,
    }
    tree = config.model_dump()
    baseline = {name: derived[name] if name in derived else _setting(tree, _SETTINGS[name]) for name in dimensions}

    def at(point: Point) -> RecipeConfig:
        # Journals of older releases may lack some dimensions.
        settings = {setting: point[name] for name, setting in _SETTINGS.items() if name in point}
        return config.with_overrides(
            {**settings, **_shape(network, point), **_optimization(point, optimization, _DEFAULTS[network.kind])}
        )

    space = Space(dimensions, baseline, at, singles=("activation", "loss", "optimizer", *parts))
    return require_inside(space, config.recipe)


def trial_epochs(config: RecipeConfig) -> int:
    """Return the default epochs of a trial, at most those of the recipe.

    Raises:
        ConfigurationError: the recipe has a pretrained network.
    """
    return min(config.epochs, _EPOCHS[_searchable(config).kind])


def _searchable(config: RecipeConfig) -> MLPNetwork | CNNNetwork:
    if isinstance(config.network, BackboneNetwork):
        raise ConfigurationError(
            f"{config.recipe} has a pretrained network, which has no search space: compare settings with `duet train`"
        )
    return config.network


def _depths(network: MLPNetwork | CNNNetwork) -> IntDistribution:
    """Return the added depth: convolutions of each block of a CNN; two residual blocks or one layer of an MLP."""
    if isinstance(network, CNNNetwork):
        count = network.convolutions
        return IntDistribution(-1 if count > 1 else 0, 1 if count < _MAX_CONVOLUTIONS else 0)
    return IntDistribution(-1 if network.blocks > 2 or len(network.hidden) > 1 else 0, 1)


def _shape(network: MLPNetwork | CNNNetwork, point: Point) -> dict[str, Any]:
    """Return the settings of width and depth at a point."""
    width, deeper = point["width"], point["depth"]
    if isinstance(network, CNNNetwork):
        return {
            "network.channels": scaled(network.channels, width),
            "network.convolutions": network.convolutions + deeper,
        }
    hidden = scaled(network.hidden, width)
    if network.blocks:
        return {"network.hidden": hidden, "network.blocks": network.blocks + 2 * deeper}
    return {"network.hidden": hidden[:-1] if deeper < 0 else hidden + hidden[-1:] * deeper}


def _augmentation_dimensions(own: Augmentation, kind: str) -> dict[str, BaseDistribution]:
    """Return the strength of each augmentation; the choices include zero and the recipe's value."""
    cutouts, mixups = ((8,), (0.2, 0.5, 1.0)) if kind == "mlp" else ((8, 12), (0.2, 0.5))
    return {
        "translate": IntDistribution(0, max(4, own.translate)),
        "rotate": _choices(10.0, 20.0, own=own.rotate),
        "stretch": _choices(0.1, 0.2, own=own.stretch),
        "cutout": _choices(*cutouts, own=own.cutout),
        "mixup": _choices(*mixups, own=own.mixup),
    }


def _part_dimensions(config: RecipeConfig) -> dict[str, BaseDistribution]:
    """Return the choices of each part: absent or present, with the recipe's strength if it has one."""
    strengths = {
        "outliers": config.augmentation.outliers or _OUTLIERS,
        "averaging": config.optimization.averaging or _AVERAGING,
    }
    return {
        name: CategoricalDistribution((0.0, strengths[name]) if name in strengths else (False, True)) for name in _PARTS
    }


def _optimization(point: Point, own: Optimization, defaults: Mapping[str, Defaults]) -> dict[str, Any]:
    """Return the settings of the optimizer and the loss at a point."""
    if point["optimizer"] == own.optimizer:
        known = defaults.get(own.optimizer)
        decay = own.weight_decay or (known.weight_decay if known else 0.0)
        used = Defaults(own.learning_rate, decay, own.momentum, own.vector_learning_rate)
    else:
        used = defaults[point["optimizer"]]
    settings = {
        "optimizer": point["optimizer"],
        "learning_rate": used.learning_rate * point["rate"],
        "vector_learning_rate": used.vector_learning_rate * point["rate"],
        "weight_decay": used.weight_decay * point["weight_decay"],
        "momentum": used.momentum,
    }
    if point["loss"] != _loss(own):
        settings["loss"] = "mse" if point["loss"] == "mse" else "cross_entropy"
        settings["label_smoothing"] = (own.label_smoothing or _SMOOTHING) if point["loss"] == "smoothed" else 0.0
    return {f"optimization.{name}": value for name, value in settings.items()}


def _loss(own: Optimization) -> str:
    smoothed = "smoothed" if own.label_smoothing > 0 else "cross_entropy"
    return "mse" if own.loss == "mse" else smoothed


def _choices(*offered: float, own: float) -> CategoricalDistribution:
    return CategoricalDistribution(tuple(sorted({type(own)(0), *offered, own})))


def _setting(tree: Mapping[str, Any], setting: str) -> Any:
    part, name = setting.split(".")
    return tree[part][name]
