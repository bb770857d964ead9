"""Wide convolutional network with three blocks of three convolutions.

Claim, not met by its only run: 95.0 % of the test images from one view after at most 2.5 hours on two cores.
Evidence: 94.86 % of the test images right from one view, 95.43 % with six views averaged, one seed on 45,000 images
(`duet repeat cnn_best --seeds 1 --set include_validation=true`), after 73 minutes of epochs on two cores with AMX.
Published as cnn@4. More: docs/lab-notes.md.
"""

from core.recipes.base import Augmentation, CNNNetwork, Optimization, RecipeConfig


def cnn_best() -> RecipeConfig:
    """A wider and deeper cnn_fast with residual blocks, on shifted, mirrored and partly covered images."""
    return RecipeConfig(
        recipe="cnn_best",
        network=CNNNetwork(
            design="whitened", channels=(96, 320, 384), convolutions=3, residual=True, activation="gelu", hidden=()
        ),
        augmentation=Augmentation(flip=True, alternate=True, translate=4, cutout=12, outliers=0.02),
        optimization=Optimization(
            optimizer="muon",
            learning_rate=0.1,
            vector_learning_rate=0.01,
            momentum=0.6,
            schedule="linear",
            label_smoothing=0.05,
        ),
        epochs=45,
        batch_size=500,
    )
