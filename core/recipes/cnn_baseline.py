"""Textbook convolutional network, the baseline of the other cnn recipes.

Evidence: 90.74 % of the test images right from one view, one seed on 40,000 images (`duet train cnn_baseline`), after
15 minutes of epochs on two cores with AMX. Published as cnn@1, which no longer ships; its record is
docs/evidence/cnn_baseline. More: docs/lab-notes.md.
"""

from core.recipes.base import Augmentation, CNNNetwork, Optimization, RecipeConfig


def cnn_baseline() -> RecipeConfig:
    """Three blocks of two 3x3 convolutions and max-pooling, then two fully connected layers."""
    return RecipeConfig(
        recipe="cnn_baseline",
        network=CNNNetwork(channels=(48, 128, 256), convolutions=2, hidden=(256,), activation="relu", dropout=0.0),
        augmentation=Augmentation(flip=True, translate=3),
        optimization=Optimization(
            optimizer="sgd",
            learning_rate=0.1,
            weight_decay=5e-4,
            momentum=0.9,
            schedule="linear",
            warmup=0.15,
            label_smoothing=0.1,
        ),
        epochs=16,
        batch_size=128,
    )
