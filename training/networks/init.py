"""The weights that a network starts from, drawn from an explicit generator instead of torch's global one."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.data.preprocessing import scale_pixels
from training.networks.classifier import Classifier
from training.networks.mlp import ResidualBlock
from training.networks.whitened import Whitening, start_as_identity

_WHITENED_IMAGES = 5_000
"""As many images as decide what is white: 961 patches each, for 12 directions."""


def initialize(network: nn.Module, generator: torch.Generator) -> None:
    """Draw every weight anew from `generator`, in a fixed order.

    Hidden layers follow He et al. 2015 (normal, fan-in, gain of ReLU); the last dense layer starts ten times
    smaller, so that the first predictions are close to uniform. The blocks of a whitened network start by passing on
    what they are given, those of a residual plain one by adding nothing (Goyal et al. 2017).
    """
    dense = [module for module in network.modules() if isinstance(module, nn.Linear)]
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    start_as_identity(network)
    with torch.no_grad():
        dense[-1].weight.mul_(0.1)
        for module in network.modules():
            if isinstance(module, ResidualBlock):
                module.shrink.weight.zero_()


def whiten(classifier: Classifier, images_NHWC: Tensor) -> None:
    """Fit the whitening layer, where the network has one, to training images, uint8 [N, H, W, 3]."""
    for module in classifier.modules():
        if isinstance(module, Whitening) and module.frozen:
            pixels_NHWC = scale_pixels(images_NHWC[:_WHITENED_IMAGES])
            module.fit(classifier.normalized(pixels_NHWC.permute(0, 3, 1, 2)))
