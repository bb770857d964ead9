"""cnn_best: the network that is served."""

from core.recipes.base import Augmentation, Optimization, RecipeConfig
from core.recipes.networks import CNNNetwork


def cnn_best() -> RecipeConfig:
    """A wider and deeper cnn_fast with residual blocks, on shifted, mirrored and partly covered images."""
    return RecipeConfig(
        recipe="cnn_best",
        network=CNNNetwork(design="whitened", channels=(96, 320, 384), convolutions=3, residual=True, hidden=()),
        augmentation=Augmentation(flip=True, alternate=True, translate=4, cutout=12),
        optimization=Optimization(
            optimizer="muon",
            learning_rate=0.1,
            vector_learning_rate=0.01,
            momentum=0.6,
            schedule="linear",
            label_smoothing=0.2,
        ),
        epochs=80,
        batch_size=500,
    )
