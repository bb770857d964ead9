"""cnn_best: the network that is served.

Claim, not met by its one run: at least 95.0 % of the test images right from one view, with 6.1 M weights and 288 M
multiplications an image, after at most two and a half hours of training on two cores.

Evidence, one seed as below on 45,000 images (`duet repeat cnn_best --seeds 1 --set include_validation=true`), on two
cores with AMX (bfloat16) that did other work as well, published as cnn@4: 94.86 % of the test images right from one
view (95 % interval 94.41 % to 95.28 %, which holds the claim), 95.43 % with six views averaged, after 73 minutes of
epochs, of 96 seconds in the median. Noise and textures are told from photographs with an AUROC of 1.0000 and 0.9999.

The calibration error after temperature, 1.19 %, is more than chance explains: a perfectly calibrated model with the
same confidences stays below 0.61 % in 95 of 100 cases. So is the shortfall of the prediction sets of 99 %, which hold
the true class of 98.48 % of the test images: a kept promise lies between 98.64 and 99.31 % (5,000 calibration images,
10,000 test images). In int8 it loses 0.24 points (0.01 to 0.47) on the holdout.

How it came about: width, GELU, smoothing and pictures of no class follow cnn@3, whose test figures had been seen, and
no other setting was tried. It ends with 98.8 % of its augmented training images right, as cnn_fast does: more epochs
alone would give little, stronger augmentation or mixup might.
"""

from core.recipes.base import Augmentation, Optimization, RecipeConfig
from core.recipes.networks import CNNNetwork


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
