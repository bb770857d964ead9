"""Classifier module: a network with its input normalization. Also initialization, parameter and operation counts."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from core.recipes import BackboneNetwork, CNNNetwork, MLPNetwork
from training.data.preprocessing import scale_pixels
from training.networks.cnn import build_cnn
from training.networks.efficientnet import build_efficientnet
from training.networks.mlp import ResidualBlock, build_mlp
from training.networks.whitened import Whitening, build_whitened_cnn, init_identity

_WHITENED_IMAGES = 5_000
"""Number of training images that the whitening layer is fitted to: 961 patches each, for 12 directions."""


class Classifier(nn.Module):
    """pixels float32 [N, H, W, 3] in [0, 1] -> logits float [N, K].

    Normalization is part of the forward pass, so training, the exported graph and the explanations share the same
    pixel scale.

    Args:
        network: [N, 3, H, W] normalized -> logits [N, K].
        mean: per channel, on the [0, 1] scale.
        std: standard deviation per channel, on the [0, 1] scale.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Sequential, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32))

    def forward(self, pixels_NHWC: Tensor) -> Tensor:
        """Pixels float32 [N, H, W, 3] in [0, 1] -> logits float [N, K]."""
        # A permuted NHWC tensor is channels_last in memory, the fastest layout for the convolutions. Normalizing after
        # the permutation gives the same bits, and onnxruntime normalizes NCHW several times faster than NHWC.
        logits: Tensor = self.network(self.normalized(pixels_NHWC.permute(0, 3, 1, 2)))
        return logits

    @property
    def mean_color(self) -> Tensor:
        """The mean as an RGB color, uint8 [3]: the fill color of cutout."""
        return (self.mean * 255).round().to(torch.uint8)

    def normalized(self, pixels_NCHW: Tensor) -> Tensor:
        """Normalize pixels float [N, 3, H, W]: (pixel - mean) / std per channel."""
        return (pixels_NCHW - self.mean[:, None, None]) / self.std[:, None, None]


def build_classifier(
    config: MLPNetwork | CNNNetwork | BackboneNetwork,
    *,
    height: int,
    width: int,
    classes: int,
    mean: Sequence[float],
    std: Sequence[float],
) -> Classifier:
    """Build the network of `config` for images of the given size, on the CPU, with torch's default initialization."""
    if isinstance(config, MLPNetwork):
        network = build_mlp(config, height=height, width=width, classes=classes)
    elif isinstance(config, BackboneNetwork):
        network = build_efficientnet(config, height=height, width=width, classes=classes)
    else:
        build = build_whitened_cnn if config.design == "whitened" else build_cnn
        network = build(config, height=height, width=width, classes=classes)
    return Classifier(network, mean, std).to(memory_format=torch.channels_last)


def count_parameters(network: nn.Module) -> int:
    """Number of parameters of `network`, including frozen ones."""
    return sum(parameter.numel() for parameter in network.parameters())


def count_macs(network: nn.Module, *, height: int, width: int) -> int:
    """Multiply-accumulate operations of the dense and convolutional layers in the forward pass of one image."""
    macs = 0

    def count(module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal macs
        if isinstance(module, nn.Conv2d):
            macs += output[0].numel() * module.weight[0].numel()
        elif isinstance(module, nn.Linear):
            macs += module.weight.numel()

    hooks = [module.register_forward_hook(count) for module in network.modules()]
    was_training = network.training
    try:
        with torch.no_grad():
            network.eval()(torch.zeros(1, height, width, 3))
    finally:
        network.train(was_training)
        for hook in hooks:
            hook.remove()
    return macs


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
