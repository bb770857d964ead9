"""Weight initialization from an explicit generator, and data-dependent initialization of the whitening layer."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.data.preprocessing import scale_pixels
from training.networks.classifier import Classifier
from training.networks.mlp import ResidualBlock
from training.networks.whitened import Whitening, init_identity

_WHITENED_IMAGES = 5_000
"""Number of training images that the whitening layer is fitted to: 961 patches each, for 12 directions."""


def initialize(network: nn.Module, generator: torch.Generator) -> None:
    """Initialize all weights of `network` in place, drawing from `generator` in a fixed order.

    - Hidden layers: He et al. 2015 (normal, fan-in, gain of ReLU).
    - Last dense layer: a tenth of that, so that the first predictions are close to uniform.
    - Convolutions of a whitened network: partial identity, see `init_identity`.
    - Last layer of each residual block of an mlp: zero (Goyal et al. 2017).
    """
    dense = [module for module in network.modules() if isinstance(module, nn.Linear)]
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    init_identity(network)
    with torch.no_grad():
        dense[-1].weight.mul_(0.1)
        for module in network.modules():
            if isinstance(module, ResidualBlock):
                module.shrink.weight.zero_()


def whiten(classifier: Classifier, images_NHWC: Tensor) -> None:
    """Fit the frozen whitening layer, if there is one, to training images, uint8 [N, H, W, 3]."""
    for module in classifier.modules():
        if isinstance(module, Whitening) and module.frozen:
            pixels_NHWC = scale_pixels(images_NHWC[:_WHITENED_IMAGES])
            module.fit(classifier.normalized(pixels_NHWC.permute(0, 3, 1, 2)))
