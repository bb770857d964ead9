"""The plain neural network: flatten, dense layers, a non-linearity between them."""

from __future__ import annotations

from torch import nn

from core.recipes import MLPNetwork
from training.networks.layers import ACTIVATIONS, Dropout, Flatten


def build_mlp(config: MLPNetwork, *, features: int, classes: int) -> nn.Sequential:
    """Dense layers from `features` = H*W*3 inputs to `classes` logits.

    Input: float [N, 3, H, W], normalised. Output: float [N, classes].
    """
    layers: list[nn.Module] = [Flatten(features)]
    width = features
    for hidden in config.hidden:
        layers += [nn.Linear(width, hidden), ACTIVATIONS[config.activation](), Dropout(config.dropout)]
        width = hidden
    layers.append(nn.Linear(width, classes))
    return nn.Sequential(*layers)
