"""Textbook dense network, the baseline of the other mlp recipes.

Evidence: 60.51 % of the test images right from one view, one seed on 40,000 images (`duet train mlp_baseline`), after
3 minutes of epochs on two cores with AMX. Published as mlp@2. More: docs/lab-notes.md.
"""

from core.recipes.base import Augmentation, MLPNetwork, Optimization, RecipeConfig


def mlp_baseline() -> RecipeConfig:
    """Flatten, three dense hidden layers with ReLU, softmax cross-entropy, Adam."""
    return RecipeConfig(
        recipe="mlp_baseline",
        network=MLPNetwork(hidden=(1024, 512, 256), activation="relu", dropout=0.1),
        augmentation=Augmentation(flip=True, translate=2),
        optimization=Optimization(optimizer="adam", learning_rate=1e-3, schedule="linear", warmup=0.05),
        epochs=40,
        batch_size=256,
    )
