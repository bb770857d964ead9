"""Layers shared by the networks: activations, flatten, and dropout with an explicit generator."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from core.recipes import CNNNetwork

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU, "tanh": nn.Tanh}


class Flatten(nn.Module):
    """[N, ...] -> [N, features].

    `nn.Flatten` exports to ONNX as several nodes that compute the shape at run time. With a fixed number of features
    it is one Reshape.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.features = features

    def forward(self, x: Tensor) -> Tensor:
        """Flatten all dimensions except the first."""
        return x.reshape(-1, self.features)


def dense_head(config: CNNNetwork, features: int, classes: int) -> list[nn.Module]:
    """Flatten, hidden dense layers with activation and dropout, and the last dense layer of a convolutional network."""
    head: list[nn.Module] = [Flatten(features)]
    for hidden in config.hidden:
        head += [nn.Linear(features, hidden), ACTIVATIONS[config.activation](), Dropout(config.dropout)]
        features = hidden
    return [*head, nn.Linear(features, classes)]


class Dropout(nn.Module):
    """Zeroes elements with probability `p` during training and scales the others by 1 / (1 - p).

    `nn.Dropout` draws from torch's global generator, so a resumed run would end with other weights. The training loop
    sets `generator` before each epoch, see `seed_dropout`.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p
        self.generator: torch.Generator | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Same shape and dtype as `x`; the identity in evaluation mode."""
        if not self.training or self.p == 0.0:
            return x
        if self.generator is None:
            raise RuntimeError("Dropout has no generator in training mode: call seed_dropout first")
        keep = torch.empty_like(x).bernoulli_(1.0 - self.p, generator=self.generator)
        return x * keep / (1.0 - self.p)


def seed_dropout(network: nn.Module, generator: torch.Generator) -> None:
    """Set the generator of every dropout layer of `network`."""
    for module in network.modules():
        if isinstance(module, Dropout):
            module.generator = generator
