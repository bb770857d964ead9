"""cnn_fast: the quickest way to an accurate network on a processor without an accelerator."""

from core.recipes.base import Augmentation, Optimization, RecipeConfig
from core.recipes.networks import CNNNetwork


def cnn_fast() -> RecipeConfig:
    """A whitened convolutional network of three blocks, trained with Muon."""
    return RecipeConfig(
        recipe="cnn_fast",
        network=CNNNetwork(design="whitened", channels=(64, 256, 256), convolutions=2, hidden=()),
        augmentation=Augmentation(flip=True, alternate=True, translate=2),
        optimization=Optimization(
            optimizer="muon",
            learning_rate=0.1,
            vector_learning_rate=0.01,
            momentum=0.6,
            schedule="linear",
            label_smoothing=0.2,
        ),
        epochs=24,
        batch_size=500,
    )
