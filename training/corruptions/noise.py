"""Noise corruptions. Images are float64 [N, H, W, 3] in [0, 1].

From Hendrycks and Dietterich 2019, "Benchmarking neural network robustness to common corruptions and perturbations",
with the parameters of CIFAR-10-C, see `training.corruptions.cifar10c`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def gaussian_noise(images_NHWC: Floats, random: np.random.Generator, deviation: float) -> Floats:
    """Additive normal noise, as in low light."""
    return images_NHWC + random.normal(scale=deviation, size=images_NHWC.shape)


def shot_noise(images_NHWC: Floats, random: np.random.Generator, photons: float) -> Floats:
    """Poisson noise, with `photons` expected photons for a white pixel."""
    return np.asarray(random.poisson(images_NHWC * photons) / photons)


def impulse_noise(images_NHWC: Floats, random: np.random.Generator, amount: float) -> Floats:
    """Salt-and-pepper noise: a share `amount` of the values becomes 0 or 1 with equal probability."""
    replaced = random.random(images_NHWC.shape) <= amount
    salt = random.random(images_NHWC.shape) <= 0.5
    return np.where(replaced, salt.astype(np.float64), images_NHWC)


def speckle_noise(images_NHWC: Floats, random: np.random.Generator, deviation: float) -> Floats:
    """Multiplicative normal noise."""
    return images_NHWC * (1 + random.normal(scale=deviation, size=images_NHWC.shape))
