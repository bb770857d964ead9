"""mlp_best: dense layers only, taught by our own convolutional network.

Claim, not reached yet: at least 78.7 % of the test images right from one view, with 7.9 M weights, after at most two
hours on two cores, the teacher's answers included.

Evidence, one seed as below on 45,000 images with cnn@3 as the teacher (`duet train mlp_best --set
include_validation=true --set distillation.teacher=cnn@3`), on two cores with AMX (bfloat16) that did other work as
well, published as mlp@3: 75.91 % of the test images right from one view, 77.38 % with six views averaged, after 16
minutes of the teacher's answers (by the log; manifests did not have it yet) and 39 minutes of epochs. It ends with 87 %
of its mixed pictures right: what it lacks is rounds that are new to it, not time. Its calibration error, 5.3 % after
temperature (aim 1.5 %), comes from the teacher, which its label smoothing keeps from ever being surer than 95 %: no
single temperature mends that. Since then the teacher's answers are calibrated before they are learnt
(training/teacher.py), so that the command would not make mlp@3 again, but a version that should be better calibrated;
it has not been measured.

What did not help: going on from mlp@3 with calibrated answers of cnn@4 to 20 new rounds (`--init-from mlp@3 --set
include_validation=true --set distillation.teacher=cnn@4 --set distillation.rounds=20 --set augmentation.translate=2
--set augmentation.cutout=8 --set optimization.learning_rate=0.015 --set epochs=60`; 26 minutes of answers and 13 of
training on two cores without AMX). It had 63 % of the new pictures right at first and 87 % of them after three passes,
but 74.34 % of the test images, fewer than before, with a calibration error of 3.3 %; it was not promoted. A round that
is seen again is learnt by heart: accuracy takes as many rounds as epochs, and so a teacher that answers more cheaply.

Smaller comparisons, on the 5,000 validation images after 12 epochs on the other 40,000, with a whitened network of 92.4
% as the teacher (one seed each; an accuracy on 5,000 images has a standard error of 0.7 points, so that none of these
stands out). They were made while the recipe was written, the last with a layer that it has no setting for, and no
command repeats them:

| | validation | log loss |
|---|---|---|
| temperature 1, shifts of one pixel, mixup 0.5, the teacher's answers mixed as the pictures are | 64.3 % | 1.150 |
| the teacher asked about the mixed pictures themselves | 64.0 % | 1.104 |
| temperature 2 | 64.0 % | 1.170 |
| temperature 4 | 64.0 % | 1.205 |
| temperature 2 without mixup, over 80 % of the training images right | 64.5 % | 1.175 |
| temperature 2, rate 0.06 | 64.1 % | 1.167 |
| temperature 1, the first layer on 768 whitened principal components | 60.8 % | 1.217 |
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
