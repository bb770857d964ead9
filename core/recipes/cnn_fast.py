"""Fast convolutional network: the shortest training to a high accuracy on a CPU.

Claim, not met by its only run: 94.0 % of the test images from one view after at most 25 minutes on two cores.
Evidence: 93.86 % of the test images right from one view, 94.74 % with six views averaged, one seed on 45,000 images
(`duet repeat cnn_fast --seeds 1 --set include_validation=true`), after 23.3 minutes of epochs on two cores with AMX.
Published as cnn@3. More: docs/lab-notes.md.
"""

from core.recipes.base import Augmentation, CNNNetwork, Optimization, RecipeConfig


def cnn_fast() -> RecipeConfig:
    """A whitened convolutional network of three blocks, trained with Muon."""
    return RecipeConfig(
        recipe="cnn_fast",
        network=CNNNetwork(design="whitened", channels=(96, 320, 384), convolutions=2, activation="gelu", hidden=()),
        augmentation=Augmentation(flip=True, alternate=True, translate=4, cutout=8, outliers=0.02),
        optimization=Optimization(
            optimizer="muon",
            learning_rate=0.1,
            vector_learning_rate=0.01,
            momentum=0.6,
            schedule="linear",
            label_smoothing=0.1,
        ),
        epochs=21,
        batch_size=500,
    )
