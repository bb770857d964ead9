"""Which space belongs to a recipe: that of its family."""

from __future__ import annotations

from core.recipes import RecipeConfig
from training.tuning import cnn_space, mlp_space
from training.tuning.space import Space, require_inside


def space_for(config: RecipeConfig) -> Space:
    """The search space around a recipe.

    Raises:
        ConfigurationError: the recipe does not lie in its family's space.
    """
    space = mlp_space.mlp_space(config) if config.network.kind == "mlp" else cnn_space.cnn_space(config)
    return require_inside(space, config.recipe)


def trial_epochs(config: RecipeConfig) -> int:
    """Epochs of a trial, unless it is told otherwise; no more than the recipe has."""
    return min(config.epochs, mlp_space.EPOCHS if config.network.kind == "mlp" else cnn_space.EPOCHS)
