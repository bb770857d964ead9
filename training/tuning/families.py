"""Selection of the search space and the trial length by the family of a recipe."""

from __future__ import annotations

from core.recipes import RecipeConfig
from training.tuning import cnn_space, mlp_space
from training.tuning.space import Space, require_inside


def space_for(config: RecipeConfig) -> Space:
    """Return the search space around a recipe.

    Raises:
        ConfigurationError: the recipe is outside its family's space.
    """
    space = mlp_space.mlp_space(config) if config.network.kind == "mlp" else cnn_space.cnn_space(config)
    return require_inside(space, config.recipe)


def trial_epochs(config: RecipeConfig) -> int:
    """Return the default epochs of a trial, at most those of the recipe."""
    return min(config.epochs, mlp_space.EPOCHS if config.network.kind == "mlp" else cnn_space.EPOCHS)
