"""Dense network trained from the labels alone.

Claim, met by its only run: 72 % of the test images from one view, with 7.9 M weights.
Evidence: 73.89 % of the test images right from one view, 75.66 % with six views averaged, one seed on 45,000 images
(`duet train mlp_labels --family labels --set include_validation=true`), after 72 minutes of epochs on two cores.
Its record is docs/evidence/mlp_labels. More: docs/lab-notes.md.
"""

from core.recipes.base import Augmentation, MLPNetwork, Optimization, RecipeConfig


def mlp_labels() -> RecipeConfig:
    """Residual blocks of two dense layers, trained with Muon on images that are shifted, warped, mirrored and mixed."""
    return RecipeConfig(
        recipe="mlp_labels",
        network=MLPNetwork(hidden=(512,), blocks=6, expansion=2.0, activation="gelu"),
        augmentation=Augmentation(flip=True, translate=3, rotate=15, stretch=0.15, mixup=1.0),
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
        epochs=330,
        # Muon's step costs as much as 1,400 images: larger batches are worth more than more steps.
        batch_size=2000,
    )
