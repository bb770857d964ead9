"""mlp_best: dense layers only, taught by our own convolutional network."""

from core.recipes.base import Distillation, RecipeConfig
from core.recipes.mlp_labels import mlp_labels


def mlp_best() -> RecipeConfig:
    """The network of mlp_labels, learning from the answers of the champion of the family cnn."""
    return RecipeConfig.model_validate(
        mlp_labels().model_dump()
        | {
            "recipe": "mlp_best",
            "distillation": Distillation(teacher="cnn", temperature=2.0, weight=1.0).model_dump(),
        }
    )
