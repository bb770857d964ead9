"""Layers that the networks share; dropout draws from an explicit generator instead of torch's global one."""

from __future__ import annotations

import torch
from torch import Tensor, nn

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU, "tanh": nn.Tanh}


class Flatten(nn.Module):
    """[N, ...] -> [N, features].

    torch's own layer exports as a chain that computes the shape at run time; a fixed number of features exports as
    one Reshape.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.features = features

    def forward(self, x: Tensor) -> Tensor:
        """`x` with all but the first dimension merged."""
        return x.reshape(-1, self.features)


class Dropout(nn.Module):
    """Zeroes a share `p` of its input while training and scales the rest by 1/(1-p).

    torch's own layer draws from the global generator, which would tie a run's weights to whatever else the
    process draws and make a resumed run differ. `generator` is set by the fit before each epoch.
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
            raise RuntimeError("a Dropout layer in training mode needs its generator; see seed_dropout")
        keep = torch.empty_like(x).bernoulli_(1.0 - self.p, generator=self.generator)
        return x * keep / (1.0 - self.p)


def seed_dropout(network: nn.Module, generator: torch.Generator) -> None:
    """Let every dropout layer of `network` draw from `generator`."""
    for module in network.modules():
        if isinstance(module, Dropout):
            module.generator = generator
