"""Multilayer perceptron: flatten, dense layers with activations, optional residual blocks."""

from __future__ import annotations

from torch import Tensor, nn

from core.recipes import MLPNetwork
from training.networks.layers import ACTIVATIONS, Dropout, Flatten


class ResidualBlock(nn.Module):
    """Inverted bottleneck with a skip connection: x + shrink(activation(expand(norm(x)))).

    Equal to the feed-forward block of a transformer (Bachmann et al. 2023, "Scaling MLPs").
    """

    def __init__(self, width: int, config: MLPNetwork) -> None:
        super().__init__()
        inner = round(width * config.expansion)
        self.norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, inner)
        self.activation = ACTIVATIONS[config.activation]()
        self.dropout = Dropout(config.dropout)
        self.shrink = nn.Linear(inner, width)

    def forward(self, x_NF: Tensor) -> Tensor:
        """Same shape as `x_NF`, [N, width]."""
        added: Tensor = self.shrink(self.dropout(self.activation(self.expand(self.norm(x_NF)))))
        return x_NF + added


def build_mlp(config: MLPNetwork, *, height: int, width: int, classes: int) -> nn.Sequential:
    """Build dense layers from height * width * 3 inputs to `classes` logits.

    With residual blocks, the last hidden layer has no activation, because the blocks contain one.

    Input: float [N, 3, height, width], normalized. Output: logits float [N, classes].
    """
    layers: list[nn.Module] = [Flatten(3 * height * width)]
    units = 3 * height * width
    for number, hidden in enumerate(config.hidden, start=1):
        layers.append(nn.Linear(units, hidden))
        if number < len(config.hidden) or config.blocks == 0:
            layers += [ACTIVATIONS[config.activation](), Dropout(config.dropout)]
        units = hidden
    if config.blocks:
        layers += [ResidualBlock(units, config) for _ in range(config.blocks)]
        layers.append(nn.LayerNorm(units))
    layers.append(nn.Linear(units, classes))
    return nn.Sequential(*layers)
