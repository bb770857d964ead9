"""Does an image look like those the model knows? The energy score (Liu et al. 2020).

"Energy-based out-of-distribution detection": unlike the top probability, the energy does not forget the scale of
the logits, which is small for images unlike any seen in training.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def energy(logits_NK: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float64]:
    """-logsumexp(logits) of each image, float64 [N]; the higher, the stranger the image.

    Args:
        logits_NK: [..., K], as the model gives them: no temperature.
    """
    logits = np.asarray(logits_NK, dtype=np.float64)
    greatest_N = logits.max(axis=-1)
    return np.asarray(-(greatest_N + np.log(np.exp(logits - greatest_N[..., None]).sum(axis=-1))))


def energy_threshold(logits_NK: npt.NDArray[np.floating[Any]], flag_rate: float = 0.05) -> float:
    """The (1 - flag_rate) quantile of the energy: at most a share `flag_rate` of these images lies above it.

    An image is flagged when its energy is above the threshold.

    Args:
        logits_NK: [N, K], of ordinary images that were not trained on.
        flag_rate: share of them that may be flagged, in (0, 1).

    Raises:
        ValueError: no image, or the rate is out of range.
    """
    if not len(logits_NK) or not 0 < flag_rate < 1:
        raise ValueError(f"{len(logits_NK)} images, flag rate {flag_rate}")
    # An observed energy rather than one between two, so that the share holds for any number of images.
    return float(np.quantile(energy(logits_NK), 1 - flag_rate, method="inverted_cdf"))
