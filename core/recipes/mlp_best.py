"""mlp_best: dense layers only, taught by our own convolutional network.

Claim, still to be shown: at least 78.7 % of the test images right from one view, with 7.9 M weights, after at most two
hours on two cores, the teacher's answers included.

Evidence so far, on the 5,000 validation images after training on the other 40,000: that of mlp_labels, whose network
this is. The teacher's answers to 50 views of 45,000 images take cnn_fast about ten minutes on two cores.
"""

from core.recipes.base import Augmentation, Distillation, Optimization, RecipeConfig
from core.recipes.networks import MLPNetwork


def mlp_best() -> RecipeConfig:
    """The network of mlp_labels, learning from the answers of the champion of the family cnn."""
    return RecipeConfig(
        recipe="mlp_best",
        network=MLPNetwork(hidden=(512,), blocks=6, expansion=2.0, activation="gelu"),
        augmentation=Augmentation(flip=True, translate=3, mixup=1.0),
        optimization=Optimization(
            optimizer="muon",
            learning_rate=0.03,
            vector_learning_rate=1e-3,
            momentum=0.9,
            weight_decay=0.1,
            schedule="linear",
            warmup=0.02,
        ),
        distillation=Distillation(teacher="cnn", temperature=1.0, weight=1.0, rounds=40),
        epochs=360,
        # Muon's step costs as much as 1,400 images: larger batches are worth more than more steps.
        batch_size=2000,
    )
