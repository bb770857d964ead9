"""EfficientNet-Lite0: shapes, padding, frozen layers, normalization in training mode."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from core.recipes import BackboneNetwork
from training.networks import Classifier, build_classifier, count_macs, count_parameters, initialize
from training.networks.efficientnet import FEATURES, MEAN, STD, FixedBatchNorm, backbone_features, conv_norm


def classifier(height: int, width: int, *, classes: int = 3, tuned_blocks: int = 4) -> Classifier:
    config = BackboneNetwork(tuned_blocks=tuned_blocks)
    built = build_classifier(config, height=height, width=width, classes=classes, mean=MEAN, std=STD)
    initialize(built, torch.Generator().manual_seed(0))
    return built.eval()


def test_size_is_that_of_the_published_network() -> None:
    network = classifier(224, 224, classes=1000)
    assert count_parameters(network) == 4_652_008
    assert count_macs(network, height=224, width=224) == pytest.approx(385e6, rel=0.01)


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (64, 40)])
def test_any_size_gives_logits_and_features(size: tuple[int, int]) -> None:
    network = classifier(*size)
    pixels_NHWC = torch.rand(2, *size, 3)
    assert network(pixels_NHWC).shape == (2, 3)
    features_NF = backbone_features(network.network, network.normalized(pixels_NHWC.permute(0, 3, 1, 2)))
    assert features_NF.shape == (2, FEATURES)
    head = network.network[-1]
    assert isinstance(head, nn.Linear)
    torch.testing.assert_close(head(features_NF), network(pixels_NHWC))


@pytest.mark.parametrize(("length", "kernel", "stride", "before", "after"), [
    (8, 3, 2, 0, 1), (7, 3, 2, 1, 1), (8, 5, 2, 1, 2), (7, 5, 2, 2, 2), (8, 5, 1, 2, 2), (1, 3, 2, 1, 1),
])  # fmt: skip
def test_padding_is_that_of_tensorflow(length: int, kernel: int, stride: int, before: int, after: int) -> None:
    layer = conv_norm(1, 1, (length, length), kernel=kernel, stride=stride, activation=False).eval()
    convolution = layer.get_submodule("convolution")
    assert isinstance(convolution, nn.Conv2d)
    x = torch.rand(1, 1, length, length)
    padded = functional.pad(x, (before, after, before, after))
    expected = functional.conv2d(padded, convolution.weight, stride=stride)
    torch.testing.assert_close(layer(x), expected, rtol=1e-2, atol=1e-3)  # normalization adds its epsilon


@pytest.mark.parametrize("tuned_blocks", [0, 1, 18])
def test_only_the_last_blocks_are_trained(tuned_blocks: int) -> None:
    network = classifier(32, 32, tuned_blocks=tuned_blocks).network
    units = [network[0], *network[1].children(), network[2]]
    assert len(units) == 18
    trained = [all(parameter.requires_grad for parameter in unit.parameters()) for unit in units]
    frozen = [not any(parameter.requires_grad for parameter in unit.parameters()) for unit in units]
    assert trained == [False] * (18 - tuned_blocks) + [True] * tuned_blocks
    assert frozen == [not one for one in trained]
    assert all(parameter.requires_grad for parameter in network[-1].parameters())


def test_normalization_keeps_its_statistics_in_training_mode() -> None:
    network = classifier(32, 32)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    pixels_NHWC = torch.rand(4, 32, 32, 3)
    expected = network(pixels_NHWC)
    torch.testing.assert_close(network.train()(pixels_NHWC), expected)
    assert all(tensor.equal(before[name]) for name, tensor in network.state_dict().items())
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(norms) == 49
    assert all(isinstance(norm, FixedBatchNorm) and not norm.training for norm in norms)
