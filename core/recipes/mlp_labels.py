"""mlp_labels: dense layers only, taught by the labels alone."""

from core.recipes.base import Augmentation, Optimization, RecipeConfig
from core.recipes.networks import MLPNetwork


def mlp_labels() -> RecipeConfig:
    """Residual blocks of two dense layers, trained with Muon on mixed, shifted and mirrored images."""
    return RecipeConfig(
        recipe="mlp_labels",
        network=MLPNetwork(hidden=(512,), blocks=6, expansion=2.0, activation="gelu", dropout=0.0),
        augmentation=Augmentation(flip=True, translate=3, mixup=0.5),
        optimization=Optimization(
            optimizer="muon",
            learning_rate=0.03,
            vector_learning_rate=1e-3,
            momentum=0.9,
            weight_decay=0.1,
            schedule="linear",
            warmup=0.02,
            label_smoothing=0.1,
        ),
        epochs=400,
        batch_size=1000,
    )
