"""Corruptions that add noise; images are float64 [N, H, W, 3] in [0, 1] before and after.

All from Hendrycks and Dietterich 2019, "Benchmarking neural network robustness to common corruptions and
perturbations"; the arguments are those of CIFAR-10-C, see `corruptions`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def gaussian_noise(images_NHWC: Floats, random: np.random.Generator, deviation: float) -> Floats:
    """Normal noise in every channel, as of a camera in low light."""
    return images_NHWC + random.normal(scale=deviation, size=images_NHWC.shape)


def shot_noise(images_NHWC: Floats, random: np.random.Generator, photons: float) -> Floats:
    """Poisson noise: white is `photons` photons on average."""
    return np.asarray(random.poisson(images_NHWC * photons) / photons)


def impulse_noise(images_NHWC: Floats, random: np.random.Generator, amount: float) -> Floats:
    """Salt and pepper: a share `amount` of the channels' values is 0 or 1, by even chance."""
    struck = random.random(images_NHWC.shape) <= amount
    salt = random.random(images_NHWC.shape) <= 0.5
    return np.where(struck, salt.astype(np.float64), images_NHWC)


def speckle_noise(images_NHWC: Floats, random: np.random.Generator, deviation: float) -> Floats:
    """Normal noise in every channel, in proportion to its value."""
    return images_NHWC * (1 + random.normal(scale=deviation, size=images_NHWC.shape))
