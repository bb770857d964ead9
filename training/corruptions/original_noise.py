"""Noise of the original image: images are enlarged, made noisy at that size, and reduced again as in serving.

A camera adds noise to each of its pixels. An image that is larger than the model input is reduced before prediction.
This averages the noise of neighboring pixels, so that its deviation falls about in proportion to the size ratio.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from core.images.geometry import fit_image

Pixels = npt.NDArray[np.uint8]
FACTORS = (16, 8, 4, 2, 1)
"""Sizes of the original in multiples of the model input, in order of increasing noise of the result."""
DEVIATION = 0.1
"""Standard deviation of the noise, for pixels in [0, 1]; the same as for Gaussian noise at severity 5."""
_STREAM = 18
"""Number of the random stream; smaller numbers are used by `training.corruptions.cifar10c`."""


def noisy_original(images_NHWC: Pixels, factor: int, seed: int) -> Pixels:
    """Enlarge each image `factor` times, add Gaussian noise, and reduce it to its size; uint8 [N, H, W, 3].

    Args:
        images_NHWC: uint8 [N, H, W, 3].
        factor: size of the original divided by that of the image, at least 1; 1 adds the noise to the image itself.
        seed: seed of the noise.
    """
    _, height, width, _ = images_NHWC.shape
    random = np.random.default_rng([seed, _STREAM, factor])
    result_NHWC = np.empty_like(images_NHWC)
    for number, image_HWC in enumerate(images_NHWC):
        large = Image.fromarray(image_HWC).resize((factor * width, factor * height), Image.Resampling.BICUBIC)
        large_HWC = np.asarray(large, np.float32)
        noise_HWC = random.standard_normal(large_HWC.shape, np.float32)
        noisy_HWC = np.rint(large_HWC + np.float32(255 * DEVIATION) * noise_HWC).clip(0, 255).astype(np.uint8)
        result_NHWC[number] = fit_image(noisy_HWC, height=height, width=width, geometry="stretch")
    return result_NHWC
