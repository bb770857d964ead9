"""Convolutional network with a whitening layer (Jordan 2024, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU")."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from core.errors import ConfigurationError
from core.recipes import CNNNetwork
from training.networks.convolution import Convolution
from training.networks.layers import ACTIVATIONS, dense_head

_PATCH = 2
"""Side in pixels of the patches that the first convolution decorrelates."""


class Whitening(nn.Conv2d):
    """2x2 convolution that decorrelates patches. Each filter appears twice, with both signs.

    Args:
        frozen: `fit` sets the weights to whitening filters, and they are not trained. If False, this is an ordinary
            trained convolution.
        epsilon: added to the variance of each direction of a patch, which limits the amplification of pixel noise to
            1 / sqrt(epsilon).
        bias_epochs: number of epochs in which the bias is trained; 0 for no bias (Jordan 2024 uses 3).
    """

    def __init__(self, *, frozen: bool = True, epsilon: float = 5e-4, bias_epochs: int = 0) -> None:
        super().__init__(3, 2 * 3 * _PATCH**2, _PATCH, bias=bias_epochs > 0)
        self.frozen = frozen
        self.epsilon = epsilon
        self.bias_epochs = bias_epochs
        self.weight.requires_grad_(not frozen)

    @torch.no_grad()
    def fit(self, images_NCHW: Tensor) -> None:
        """Set the filters to the eigenvectors of the patches' second moments, each divided by its root mean square.

        Args:
            images_NCHW: float [N, 3, H, W], normalized training images.
        """
        patches_PD = _patches(images_NCHW.double())
        moments_DD = patches_PD.T @ patches_PD / len(patches_PD)
        values_D, vectors_DD = torch.linalg.eigh(moments_DD)
        # The sign of an eigenvector is arbitrary: make its largest entry positive for reproducible weights.
        largest_D = vectors_DD.abs().argmax(0)
        signs_D = vectors_DD.gather(0, largest_D[None])[0].sign()
        filters_DD = (vectors_DD * signs_D / (values_D + self.epsilon).sqrt()).T
        self.weight.copy_(torch.cat([filters_DD, -filters_DD]).reshape(self.weight.shape))


class Block(nn.Module):
    """3x3 convolutions with batch normalization and activation; the first one also halves height and width.

    Max-pooling commutes with monotonically increasing functions. Training pools before normalization and activation,
    which then process a quarter of the values. The exported graph pools after them, so that normalization can be folded
    into the convolution. This requires a positive scale: batch normalization has no trained scale here.

    Attributes:
        pools_first: pool first in evaluation mode too; see `pool_first`.
    """

    def __init__(self, channels_in: int, channels: int, config: CNNNetwork) -> None:
        super().__init__()
        widths = [channels_in] + [channels] * (config.convolutions - 1)
        self.convolutions = nn.ModuleList(Convolution(width, channels) for width in widths)
        self.norms = nn.ModuleList(_shifting_norm(channels) for _ in widths)
        self.activations = nn.ModuleList(ACTIVATIONS[config.activation]() for _ in widths)
        self.pool = nn.MaxPool2d(2)
        self.pools_first = False
        self.monotonic = config.activation in ("relu", "tanh")
        self.residual = config.residual and config.convolutions > 1
        self.starts_as_identity = config.identity

    def forward(self, x: Tensor) -> Tensor:
        """[N, channels_in, H, W] -> [N, channels, H // 2, W // 2]."""
        x = self._first(self.convolutions[0](x))
        skipped = x
        for number in range(1, len(self.convolutions)):
            x = self.norms[number](self.convolutions[number](x))
            if self.residual and number == len(self.convolutions) - 1:
                x = x + skipped
            x = self.activations[number](x)
        return x

    def _first(self, x: Tensor) -> Tensor:
        norm, activation = self.norms[0], self.activations[0]
        if self.training or self.pools_first:
            pooled: Tensor = activation(norm(self.pool(x)))
        elif self.monotonic:
            pooled = self.pool(activation(norm(x)))
        else:
            pooled = activation(self.pool(norm(x)))
        return pooled


def build_whitened_cnn(config: CNNNetwork, *, height: int, width: int, classes: int) -> nn.Sequential:
    """Build whitening layer, blocks, global max-pooling and dense layers.

    Input: float [N, 3, height, width], normalized. Output: logits float [N, classes].

    Raises:
        ConfigurationError: the image is too small for the number of blocks.
    """
    rest = [(side - _PATCH + 1) >> len(config.channels) for side in (height, width)]
    if min(rest) == 0:
        raise ConfigurationError(
            f"images of {width}x{height} cannot be halved {len(config.channels)} times: use fewer blocks"
        )
    widths = [2 * 3 * _PATCH**2, *config.channels]
    blocks = [Block(before, after, config) for before, after in zip(widths, config.channels, strict=False)]
    head = nn.Sequential(nn.MaxPool2d(tuple(rest)), *dense_head(config, widths[-1], classes))
    whitening = Whitening(frozen=config.whitening, epsilon=config.whitening_epsilon, bias_epochs=config.whitening_bias)
    first = nn.Sequential(whitening, ACTIVATIONS[config.activation]())
    return nn.Sequential(OrderedDict(whitening=first, blocks=nn.Sequential(*blocks), head=head))


def freeze_whitening_bias(network: nn.Module, epoch: int) -> None:
    """Train the whitening layer's bias only in its first `bias_epochs` epochs; `epoch` counts from 0."""
    for module in network.modules():
        if isinstance(module, Whitening) and module.bias is not None:
            module.bias.requires_grad_(epoch < module.bias_epochs)


def pool_first(network: nn.Module) -> None:
    """Make the blocks of `network` pool first in evaluation mode too: the same function, a third faster in torch."""
    for module in network.modules():
        if isinstance(module, Block):
            module.pools_first = True


@torch.no_grad()
def init_identity(network: nn.Module) -> None:
    """Initialize 3x3 convolutions as partial identity (Jordan 2024), in blocks configured with `identity`.

    The first `in_channels` output channels copy the input. The others keep their weights.
    """
    for module in network.modules():
        if isinstance(module, Block) and module.starts_as_identity:
            for convolution in module.convolutions.children():
                if isinstance(convolution, nn.Conv2d):
                    nn.init.dirac_(convolution.weight[: convolution.in_channels])


def _patches(images_NCHW: Tensor) -> Tensor:
    """All overlapping patches as rows, [P, C * side * side], in the memory order of a filter."""
    windows = images_NCHW.unfold(2, _PATCH, 1).unfold(3, _PATCH, 1)
    return windows.permute(0, 2, 3, 1, 4, 5).reshape(-1, images_NCHW.shape[1] * _PATCH**2)


def _shifting_norm(channels: int) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(channels)
    norm.weight.requires_grad_(False)
    return norm
