"""Convolutional network: blocks of 3x3 convolutions with max-pooling, then dense layers."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from core.errors import ConfigurationError
from core.recipes import CNNNetwork
from training.networks.layers import ACTIVATIONS, dense_head


def build_cnn(config: CNNNetwork, *, height: int, width: int, classes: int) -> nn.Sequential:
    """Build blocks of (convolution, batch normalization, activation) with 2x2 max-pooling, then dense layers.

    Input: float [N, 3, height, width], normalized. Output: logits float [N, classes].

    Raises:
        ConfigurationError: the image is too small for the number of blocks.
    """
    halvings = len(config.channels)
    if min(height, width) >> halvings == 0:
        raise ConfigurationError(f"images of {width}x{height} cannot be halved {halvings} times: use fewer blocks")
    blocks: list[nn.Module] = []
    channels_in = 3
    for channels in config.channels:
        layers: list[nn.Module] = []
        for _ in range(config.convolutions):
            # No bias: batch normalization adds one.
            layers += [
                nn.Conv2d(channels_in, channels, 3, padding=1, bias=False),
                nn.BatchNorm2d(channels),
                ACTIVATIONS[config.activation](),
            ]
            channels_in = channels
        layers.append(nn.MaxPool2d(2))
        blocks.append(nn.Sequential(*layers))
    features = channels_in * (height >> halvings) * (width >> halvings)
    head = nn.Sequential(*dense_head(config, features, classes))
    return nn.Sequential(OrderedDict(blocks=nn.Sequential(*blocks), head=head))
