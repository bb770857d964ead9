"""Energy score for out-of-distribution detection (Liu et al. 2020, "Energy-based out-of-distribution detection").

Unlike the top probability, the energy keeps the scale of the logits, which is small for unfamiliar images.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def energy(logits_NK: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float64]:
    """Energy -logsumexp(logits) of each image, float64 [N]; higher is less like the training images.

    Args:
        logits_NK: [..., K], without temperature.
    """
    logits = np.asarray(logits_NK, dtype=np.float64)
    greatest_N = logits.max(axis=-1)
    return np.asarray(-(greatest_N + np.log(np.exp(logits - greatest_N[..., None]).sum(axis=-1))))


def energy_threshold(logits_NK: npt.NDArray[np.floating[Any]], flag_rate: float = 0.05) -> float:
    """The (1 - flag_rate) quantile of the energy: at most a share `flag_rate` of the images is above it.

    An image is flagged if its energy is above the threshold.

    Args:
        logits_NK: [N, K], of in-distribution images that were not trained on.
        flag_rate: largest share of flagged images, in (0, 1).

    Raises:
        ValueError: no image, or the rate is out of range.
    """
    if not len(logits_NK) or not 0 < flag_rate < 1:
        raise ValueError(f"{len(logits_NK)} images, flag rate {flag_rate}")
    # An observed energy, not an interpolated one, so that the share holds for any number of images.
    return float(np.quantile(energy(logits_NK), 1 - flag_rate, method="inverted_cdf"))
