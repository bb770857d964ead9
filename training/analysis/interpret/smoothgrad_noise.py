"""Noise of SmoothGrad: share of noisy copies of validation images that keep the prediction, by noise level.

SmoothGrad averages the gradients of one class over noisy copies of an image. If the network assigns most copies to
another class, the map explains a prediction that the network does not make. The default noise is therefore the largest
level at which most copies keep the prediction.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch

from core.records.explanations import NoiseLevel
from core.statistics.intervals import mean_estimate
from training.data.preprocessing import scale_pixels
from training.data.split_dataset import Images
from training.data.test_subset import stratified
from training.networks import Classifier

LEVELS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2)
MIN_KEPT = 0.9
"""Minimum share of copies that keep the prediction at the default noise."""
IMAGES, QUICK_IMAGES = 500, 20
_COPIES = 2
"""Noisy copies per image. A larger number of images reduces the error more than a larger number of copies."""
_BATCH = 250
_SEED = 0


def noise_levels(classifier: Classifier, images: Images, *, quick: bool = False) -> tuple[NoiseLevel, ...]:
    """Measure the share of copies that keep the prediction, on up to 500 validation images, stratified by class.

    Args:
        classifier: network in evaluation mode on the CPU.
        images: data set; a final run may have been trained on its validation images.
        quick: use 20 images.
    """
    part = images.part("validation")
    chosen = stratified(part.labels_N, QUICK_IMAGES if quick else IMAGES)
    pixels_NHWC = torch.from_numpy(scale_pixels(part.images_NHWC[chosen]))
    random = torch.Generator().manual_seed(_SEED)
    kept_NL = np.zeros((len(chosen), len(LEVELS)))
    with torch.no_grad():
        for start in range(0, len(chosen), _BATCH):
            batch_NHWC = pixels_NHWC[start : start + _BATCH]
            predicted_N = classifier(batch_NHWC).argmax(1)
            for _ in range(_COPIES):
                noise_NHWC = torch.randn(batch_NHWC.shape, generator=random)
                for number, level in enumerate(LEVELS):
                    same_N = classifier(batch_NHWC + level * noise_NHWC).argmax(1) == predicted_N
                    kept_NL[start : start + _BATCH, number] += same_N.numpy() / _COPIES
    return tuple(NoiseLevel(noise=level, kept=mean_estimate(kept_NL[:, number])) for number, level in enumerate(LEVELS))


def largest_safe_noise(versions: Iterable[Sequence[NoiseLevel]]) -> float | None:
    """The largest level at which every version keeps at least 90 % of its predictions; None if there is none."""
    safe = [{each.noise for each in levels if each.kept.value >= MIN_KEPT} for levels in versions]
    return max(set.intersection(*safe), default=None) if safe else None
