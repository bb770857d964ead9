"""A network together with the normalization of its input: the one module that is trained, exported and explained."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from core.recipes import CNNNetwork, MLPNetwork
from training.networks.cnn import build_cnn
from training.networks.mlp import build_mlp
from training.networks.whitened import build_whitened_cnn


class Classifier(nn.Module):
    """pixels float32 [N, H, W, 3] in [0, 1] -> logits float [N, K].

    Normalization is part of the forward pass, so that training, the exported graph and the explanations all
    speak of the same pixels. `mean` and `std` are per channel on the [0, 1] scale.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Sequential, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32))

    def forward(self, pixels_NHWC: Tensor) -> Tensor:
        """Logits float [N, K] of pixels float32 [N, H, W, 3] in [0, 1]."""
        # A permuted NHWC tensor is channels_last in memory, which is what the convolutions want. Normalizing after the
        # permutation gives the same bits; onnxruntime is several times faster with planes than with pixels of three.
        logits: Tensor = self.network(self.normalized(pixels_NHWC.permute(0, 3, 1, 2)))
        return logits

    @property
    def mean_color(self) -> Tensor:
        """uint8 [3]: the mean as a pixel, which cutout paints."""
        return (self.mean * 255).round().to(torch.uint8)

    def normalized(self, pixels_NCHW: Tensor) -> Tensor:
        """What the network sees: each channel less its mean, over its standard deviation."""
        return (pixels_NCHW - self.mean[:, None, None]) / self.std[:, None, None]


def build_classifier(
    config: MLPNetwork | CNNNetwork,
    *,
    height: int,
    width: int,
    classes: int,
    mean: Sequence[float],
    std: Sequence[float],
) -> Classifier:
    """The network that `config` describes, for images of that size, on the CPU and with torch's default weights."""
    if isinstance(config, MLPNetwork):
        network = build_mlp(config, height=height, width=width, classes=classes)
    else:
        build = build_whitened_cnn if config.design == "whitened" else build_cnn
        network = build(config, height=height, width=width, classes=classes)
    return Classifier(network, mean, std).to(memory_format=torch.channels_last)


def count_parameters(network: nn.Module) -> int:
    """Weights of `network`, those that are never trained included."""
    return sum(parameter.numel() for parameter in network.parameters())


def count_macs(network: nn.Module, *, height: int, width: int) -> int:
    """Multiply-accumulates of dense and convolutional layers for one image's forward pass."""
    macs = 0

    def count(module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal macs
        if isinstance(module, nn.Conv2d):
            macs += output[0].numel() * module.weight[0].numel()
        elif isinstance(module, nn.Linear):
            macs += module.weight.numel()

    hooks = [
        module.register_forward_hook(count) for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear)
    ]
    was_training = network.training
    try:
        with torch.no_grad():
            network.eval()(torch.zeros(1, height, width, 3))
    finally:
        network.train(was_training)
        for hook in hooks:
            hook.remove()
    return macs
