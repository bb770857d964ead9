import copy

import pytest
import torch
from torch import Tensor, nn

from core.errors import ConfigurationError
from core.recipes import CNNNetwork
from tests.training.export.gradients.networks import shaken
from training.networks import Classifier, build_classifier, initialize, whiten
from training.networks.whitened import Block, Whitening, freeze_whitening_bias, pool_first

CONFIG = CNNNetwork(design="whitened", channels=(32, 40), convolutions=3, residual=True, hidden=())


def draw(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def classifier(config: CNNNetwork = CONFIG, height: int = 32, width: int = 32) -> Classifier:
    network = build_classifier(config, height=height, width=width, classes=7, mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4))
    initialize(network, draw())
    return network


def whitening_of(network: nn.Module) -> Whitening:
    return next(module for module in network.modules() if isinstance(module, Whitening))


def block_of(network: nn.Module) -> Block:
    return next(module for module in network.modules() if isinstance(module, Block))


def smooth_images(n: int = 40, side: int = 32) -> Tensor:
    """uint8 images with correlated neighboring pixels."""
    coarse = torch.rand(n, 3, side // 4, side // 4, generator=draw(5))
    smooth = nn.functional.interpolate(coarse, size=(side, side), mode="bilinear")
    return (smooth.permute(0, 2, 3, 1) * 255).to(torch.uint8)


def test_whitening_decorrelates_patches_with_both_signs() -> None:
    network = classifier()
    images = smooth_images()
    whiten(network, images)
    layer = whitening_of(network)
    with torch.no_grad():
        outputs = layer(network.normalized(images.permute(0, 3, 1, 2) / 255))
    assert torch.equal(layer.weight[:12], -layer.weight[12:])
    rows = outputs[:, :12].permute(1, 0, 2, 3).reshape(12, -1)
    moments = rows @ rows.T / rows.shape[1]
    off_diagonal = moments - moments.diag().diag()
    assert float(off_diagonal.abs().max()) < 1e-3
    assert float(moments.diag().max()) == pytest.approx(1.0, abs=0.01)


def test_epsilon_bounds_the_gain_of_a_direction_without_variance() -> None:
    """Constant patches vary only in their mean: every other direction gets a gain of 1/sqrt(epsilon)."""
    images = torch.randint(0, 256, (40, 1, 1, 3), dtype=torch.uint8, generator=draw()).expand(40, 32, 32, 3)
    for epsilon in (1e-2, 5e-2):
        network = classifier(CONFIG.model_copy(update={"whitening_epsilon": epsilon}))
        whiten(network, images.contiguous())
        layer = whitening_of(network)
        gains = layer.weight.detach().flatten(1).norm(dim=1)
        assert float(gains.max()) == pytest.approx(epsilon**-0.5, rel=1e-4)


def test_whitening_bias_is_trained_in_its_epochs_only() -> None:
    network = classifier(CONFIG.model_copy(update={"whitening_bias": 2})).train()
    layer = whitening_of(network)
    assert layer.bias is not None
    assert layer.bias.eq(0).all()
    for epoch, trained in ((0, True), (1, True), (2, False)):
        network.zero_grad()
        freeze_whitening_bias(network, epoch)
        network(torch.rand(4, 32, 32, 3)).sum().backward()
        assert (layer.bias.grad is not None) == trained
    assert "network.whitening.0.bias" not in dict(classifier().named_parameters())


def test_whitening_layer_is_never_trained() -> None:
    network = classifier().train()
    network(torch.rand(4, 32, 32, 3)).sum().backward()
    trained = {name for name, parameter in network.named_parameters() if parameter.grad is not None}
    assert "network.whitening.0.weight" not in trained
    assert not any("norms" in name and name.endswith("weight") for name in trained)
    assert {name for name, parameter in network.named_parameters() if parameter.requires_grad} == trained


def test_first_layer_without_whitening_is_trained() -> None:
    network = classifier(CONFIG.model_copy(update={"whitening": False}))
    layer = whitening_of(network)
    initialize(network, draw(5))
    before = layer.weight.detach().clone()
    whiten(network, smooth_images())
    assert torch.equal(layer.weight, before)
    network.train()(torch.rand(4, 32, 32, 3)).sum().backward()
    assert layer.weight.grad is not None
    assert float(layer.weight.grad.abs().max()) > 0


def test_blocks_without_identity_keep_their_random_weights() -> None:
    drawn = {}
    for identity in (True, False):
        network = classifier(CONFIG.model_copy(update={"identity": identity}))
        initialize(network, draw(5))
        drawn[identity] = block_of(network).convolutions[0]
    x = torch.rand(2, 24, 8, 8)
    assert torch.equal(drawn[True](x)[:, :24], x)
    assert not torch.allclose(drawn[False](x)[:, :24], x, atol=0.1)


def test_identity_block_passes_its_input_on() -> None:
    network = classifier()
    block = block_of(network)
    x = torch.rand(2, 24, 8, 8)
    first = block.convolutions[0](x)
    assert torch.equal(first[:, :24], x)
    assert not torch.equal(first[:, 24:], torch.zeros_like(first[:, 24:]))
    last = block.convolutions[2]
    assert torch.allclose(last(first), first, atol=1e-6)


@pytest.mark.parametrize("activation", ["relu", "gelu", "silu", "tanh"])
def test_pooling_first_or_last_is_the_same_function(activation: str) -> None:
    config = CNNNetwork.model_validate(CONFIG.model_dump() | {"activation": activation})
    evaluated = shaken(classifier(config), seed=0)
    pooled_first = copy.deepcopy(evaluated)
    in_training = copy.deepcopy(evaluated)
    for module in in_training.modules():
        if isinstance(module, Block):
            module.training = True  # only the block: its normalization still uses the running statistics
    pool_first(pooled_first)
    pixels = torch.rand(5, 32, 32, 3, generator=draw())
    assert torch.allclose(evaluated(pixels), pooled_first(pixels), atol=1e-5)
    assert torch.equal(in_training(pixels), pooled_first(pixels))


def test_residual_is_the_output_of_the_first_convolution() -> None:
    with_residual = shaken(classifier(), seed=0)
    without = classifier(CNNNetwork.model_validate(CONFIG.model_dump() | {"residual": False}))
    without.load_state_dict(with_residual.state_dict())
    pixels = torch.rand(3, 32, 32, 3, generator=draw())
    assert not torch.allclose(with_residual.eval()(pixels), without.eval()(pixels))
    block = block_of(with_residual)
    convolution, norm = block.convolutions[2], block.norms[2]
    assert isinstance(convolution, nn.Conv2d)
    nn.init.zeros_(convolution.weight)
    assert isinstance(norm, nn.BatchNorm2d)
    norm.reset_parameters()
    norm.reset_running_stats()
    x = torch.rand(2, 24, 8, 8)
    first = block.activations[0](block.norms[0](block.convolutions[0](x)))
    assert torch.allclose(block(x), block.pool(first), atol=1e-6)


def test_too_many_halvings_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="halved 2 times"):
        classifier(CONFIG, height=4, width=32)
