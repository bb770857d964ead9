"""Pretrained network for folders of photographs: EfficientNet-Lite0 with a new dense layer.

The weights are pretrained on ImageNet. They come from the extra `backbone` or from a file.
Evidence: docs/lab-notes.md.
"""

from core.recipes.base import Augmentation, BackboneNetwork, Optimization, RecipeConfig


def photo() -> RecipeConfig:
    """EfficientNet-Lite0, pretrained on ImageNet, with a dense layer fitted to the features of the photographs."""
    return RecipeConfig(
        recipe="photo",
        network=BackboneNetwork(),
        augmentation=Augmentation(flip=True, translate=16, rotate=10, stretch=0.1),
        optimization=Optimization(
            optimizer="adamw", learning_rate=1e-4, weight_decay=1e-2, schedule="linear", label_smoothing=0.05
        ),
        epochs=1,
        batch_size=32,
        image_size=224,
        geometry="crop",
    )
