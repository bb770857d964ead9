"""mlp_baseline: the plain network of a textbook.

It claims nothing; it is what the other recipes are to be measured against.

Evidence, one seed as below on 40,000 images (`duet train mlp_baseline`), on two cores with AMX (bfloat16), published as
mlp@2: 60.51 % of the test images right from one view, after 3.0 minutes of epochs, with a calibration error of 2.26 %
after temperature.
"""

from core.recipes.base import Augmentation, Optimization, RecipeConfig
from core.recipes.networks import MLPNetwork


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
