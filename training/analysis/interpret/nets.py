"""What the first layer has learned, as pictures: the weights of dense units, the filters of a convolution."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from torch import nn

from training.networks import Classifier

Pictures = npt.NDArray[np.uint8]


def first_layer_pictures(classifier: Classifier, *, height: int, width: int, count: int) -> tuple[str, Pictures]:
    """A name for what is shown, and uint8 pictures [n, h, w, 3]: gray is 0, each scaled by its own largest weight.

    Of dense units, which see the whole image, those with the largest weights are shown; of a convolution all filters,
    up to `count`. In the whitened network the first filters are not trained but computed from the images.

    Args:
        classifier: a network of either family.
        height: of its images.
        width: of its images.
        count: of pictures, at most.
    """
    first = next(layer for layer in classifier.modules() if isinstance(layer, nn.Conv2d | nn.Linear))
    weights = first.weight.detach().numpy()
    if isinstance(first, nn.Linear):
        weights_UCHW = weights.reshape(-1, 3, height, width)
        strongest_U = np.argsort(-np.linalg.norm(weights, axis=1), kind="stable")[:count]
        return "weights of dense units", _pictures(weights_UCHW[strongest_U])
    return "filters of the first convolution", _pictures(weights[:count])


def _pictures(weights_UCHW: npt.NDArray[np.float32]) -> Pictures:
    largest_U111 = np.abs(weights_UCHW).max(axis=(1, 2, 3), keepdims=True)
    shares_UCHW = weights_UCHW / np.where(largest_U111 > 0, largest_U111, 1)
    return np.rint(127.5 + 127.5 * shares_UCHW).astype(np.uint8).transpose(0, 2, 3, 1)
