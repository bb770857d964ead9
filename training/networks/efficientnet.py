"""EfficientNet-Lite0, a convolutional network for photographs whose ImageNet weights fit into 19 MB.

Tan and Le 2019, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", in the Lite variant (Liu
2020): without squeeze-and-excitation, and with ReLU6 instead of SiLU, for fast inference on CPUs and in int8. The
network is piecewise linear, as the check of gradient.onnx requires.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from core.recipes import BackboneNetwork

MEAN = (127 / 255,) * 3
STD = (128 / 255,) * 3
"""Normalization of the published weights on the [0, 1] scale: (pixel - 127) / 128."""
FEATURES = 1_280
"""Number of features after the average over positions."""
_STEM = 32
_NORM_EPSILON = 1e-3


@dataclass(frozen=True)
class Stage:
    """Consecutive blocks with the same number of channels; only the first one has the stride."""

    expansion: int
    channels: int
    blocks: int
    stride: int
    kernel: int


STAGES = (
    Stage(1, 16, 1, 1, 3),
    Stage(6, 24, 2, 2, 3),
    Stage(6, 40, 2, 2, 5),
    Stage(6, 80, 3, 2, 3),
    Stage(6, 112, 3, 1, 5),
    Stage(6, 192, 4, 2, 5),
    Stage(6, 320, 1, 1, 3),
)


class FixedBatchNorm(nn.BatchNorm2d):
    """Batch normalization with the statistics of the pretrained weights, in training mode too.

    The statistics of small batches of few photographs are worse than those of ImageNet.
    """

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode."""
        return super().train(False)


class InvertedResidual(nn.Module):
    """1x1 expansion, depthwise convolution, 1x1 projection; with a skip connection if the shape stays the same.

    Sandler et al. 2018, "MobileNetV2: Inverted Residuals and Linear Bottlenecks".
    """

    def __init__(self, channels_in: int, stage: Stage, stride: int, size: tuple[int, int]) -> None:
        super().__init__()
        inner = channels_in * stage.expansion
        self.expand = conv_norm(channels_in, inner, size) if stage.expansion > 1 else nn.Identity()
        self.depthwise = conv_norm(inner, inner, size, kernel=stage.kernel, stride=stride, groups=inner)
        self.project = conv_norm(inner, stage.channels, size, activation=False)
        self.skips = stride == 1 and channels_in == stage.channels

    def forward(self, x: Tensor) -> Tensor:
        """[N, channels_in, H, W] -> [N, channels, ceil(H / stride), ceil(W / stride)]."""
        projected: Tensor = self.project(self.depthwise(self.expand(x)))
        return x + projected if self.skips else projected


class AveragePool(nn.Module):
    """Mean over all positions: [N, C, H, W] -> [N, C]."""

    def forward(self, x: Tensor) -> Tensor:
        """Average height and width."""
        return x.mean(dim=(2, 3))


def build_efficientnet(config: BackboneNetwork, *, height: int, width: int, classes: int) -> nn.Sequential:
    """Build EfficientNet-Lite0 with a dense layer for `classes`; all but the last `tuned_blocks` blocks are frozen.

    Input: float [N, 3, height, width], normalized with `MEAN` and `STD`. Output: logits float [N, classes].
    """
    size, channels = (height, width), _STEM
    stem = conv_norm(3, channels, size, kernel=3, stride=2)
    size = _strided(size, 2)
    blocks: list[nn.Module] = []
    for stage in STAGES:
        for number in range(stage.blocks):
            stride = stage.stride if number == 0 else 1
            blocks.append(InvertedResidual(channels, stage, stride, size))
            size, channels = _strided(size, stride), stage.channels
    last = conv_norm(channels, FEATURES, size)
    network = nn.Sequential(
        OrderedDict(
            stem=stem, blocks=nn.Sequential(*blocks), last=last, pool=AveragePool(), head=nn.Linear(FEATURES, classes)
        )
    )
    units = [stem, *blocks, last]
    for unit in units[: len(units) - config.tuned_blocks]:
        unit.requires_grad_(False)
    return network


def conv_norm(
    channels_in: int,
    channels: int,
    size: tuple[int, int],
    *,
    kernel: int = 1,
    stride: int = 1,
    groups: int = 1,
    activation: bool = True,
) -> nn.Sequential:
    """Convolution with TensorFlow's "SAME" padding, batch normalization, and ReLU6.

    `size` is height and width of the input. An odd number of padded rows or columns is larger at the end, which
    `nn.Conv2d` cannot express: it becomes a layer.
    """
    (top, bottom), (left, right) = (_padding(length, kernel, stride) for length in size)
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    even = top == bottom and left == right
    if not even:
        layers["pad"] = nn.ZeroPad2d((left, right, top, bottom))
    layers["convolution"] = nn.Conv2d(
        channels_in, channels, kernel, stride, (top, left) if even else 0, groups=groups, bias=False
    )
    layers["norm"] = FixedBatchNorm(channels, eps=_NORM_EPSILON)
    if activation:
        layers["activation"] = nn.ReLU6()
    return nn.Sequential(layers)


@torch.no_grad()
def backbone_features(network: nn.Sequential, images_NCHW: Tensor) -> Tensor:
    """Input of the last dense layer: normalized images float [N, 3, H, W] -> float [N, 1280]."""
    features: Tensor = network[:-1](images_NCHW)
    return features


def _padding(length: int, kernel: int, stride: int) -> tuple[int, int]:
    """Rows or columns of zeros before and after `length` of them, for an output of ceil(length / stride)."""
    total = max(0, (-(-length // stride) - 1) * stride + kernel - length)
    return total // 2, total - total // 2


def _strided(size: Sequence[int], stride: int) -> tuple[int, int]:
    height, width = (-(-length // stride) for length in size)
    return height, width
