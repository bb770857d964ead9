import pytest
import torch
from torch import nn

from core.errors import ConfigurationError
from core.recipes import BackboneNetwork, CNNNetwork, MLPNetwork, recipe_config
from training.fit.optimizers import build_optimizer
from training.networks import Classifier, build_classifier, count_macs, count_parameters, initialize
from training.networks.layers import Dropout, Flatten, seed_dropout
from training.networks.mlp import ResidualBlock

MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.3, 0.4)


def classifier(
    network: MLPNetwork | CNNNetwork | BackboneNetwork, height: int = 32, width: int = 32, classes: int = 10
) -> Classifier:
    return build_classifier(network, height=height, width=width, classes=classes, mean=MEAN, std=STD).eval()


def draw(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("recipe", ["mlp_baseline", "cnn_baseline", "mlp_best", "cnn_fast", "cnn_best"])
@pytest.mark.parametrize("size", [(32, 32), (40, 24)])
def test_logits_have_one_column_per_class(recipe: str, size: tuple[int, int]) -> None:
    network = classifier(recipe_config(recipe).network, *size, classes=7)
    assert network(torch.rand(3, *size, 3)).shape == (3, 7)


@pytest.mark.parametrize("recipe", ["mlp_baseline", "mlp_labels", "mlp_best"])
def test_mlp_has_dense_layers_only(recipe: str) -> None:
    """No convolution, no attention, and no weight shared between positions of the image."""
    network = classifier(recipe_config(recipe).network)
    allowed = nn.Linear | nn.LayerNorm | nn.ReLU | nn.GELU | nn.SiLU | nn.Tanh | Dropout | Flatten
    leaves = [module for module in network.modules() if not list(module.children())]
    assert all(isinstance(module, allowed) for module in leaves)
    # A shared weight would give more multiply-accumulates than weights.
    dense = [module for module in leaves if isinstance(module, nn.Linear)]
    assert count_macs(network, height=32, width=32) == sum(module.weight.numel() for module in dense)


@pytest.mark.parametrize(
    ("recipe", "parameters", "macs"), [("cnn_best", 8e6, 4e8), ("cnn_distilled", 10e6, 4e8), ("mlp_best", 15e6, 15e6)]
)
def test_recipe_networks_stay_within_size_limits(recipe: str, parameters: float, macs: float) -> None:
    network = classifier(recipe_config(recipe).network)
    assert count_parameters(network) <= parameters
    assert count_macs(network, height=32, width=32) <= macs


def test_wide_first_layer_keeps_below_15_million_weights() -> None:
    config = recipe_config("mlp_best").with_overrides({"network.hidden": [2048, 512]})
    network = classifier(config.network)
    kinds = [type(module) for module in network.network]
    assert kinds == [Flatten, nn.Linear, nn.GELU, Dropout, nn.Linear, *[ResidualBlock] * 6, nn.LayerNorm, nn.Linear]
    blocks = 6 * (2 * 512 + (512 + 1) * 1024 + (1024 + 1) * 512)
    first = (3072 + 1) * 2048 + (2048 + 1) * 512
    assert count_parameters(network) == first + blocks + 2 * 512 + (512 + 1) * 10 <= 15_000_000
    groups = build_optimizer(network, config.optimization).param_groups
    shapes = [tuple(parameter.shape) for parameter in groups[0]["params"]]
    assert shapes == [(2048, 3072), (512, 2048), *[(1024, 512), (512, 1024)] * 6]


def test_residual_block_is_initialized_as_identity() -> None:
    network = classifier(MLPNetwork(hidden=(16,), blocks=2))
    initialize(network, draw())
    blocks = [module for module in network.modules() if isinstance(module, ResidualBlock)]
    x = torch.rand(3, 16)
    assert len(blocks) == 2
    assert torch.equal(blocks[0](x), x)
    nn.init.normal_(blocks[0].shrink.weight, generator=draw())
    added = blocks[0].shrink(torch.relu(blocks[0].expand(blocks[0].norm(x))))
    assert torch.allclose(blocks[0](x), x + added)


def test_normalization_is_part_of_the_forward_pass() -> None:
    network = classifier(MLPNetwork(hidden=(4,)))
    pixels = torch.rand(2, 32, 32, 3)
    normalized = (pixels - torch.tensor(MEAN)) / torch.tensor(STD)
    assert torch.allclose(network(pixels), network.network(normalized.permute(0, 3, 1, 2)))


def test_parameter_and_mac_counts_match_hand_calculation() -> None:
    mlp = classifier(MLPNetwork(hidden=(5,)), height=4, width=4, classes=3)
    assert count_parameters(mlp) == 48 * 5 + 5 + 5 * 3 + 3
    assert count_macs(mlp, height=4, width=4) == 48 * 5 + 5 * 3
    cnn = classifier(CNNNetwork(channels=(6,), convolutions=1, hidden=(5,)), height=4, width=4, classes=3)
    assert count_parameters(cnn) == 6 * 27 + 2 * 6 + (6 * 4) * 5 + 5 + 5 * 3 + 3
    assert count_macs(cnn, height=4, width=4) == 16 * 6 * 27 + (6 * 4) * 5 + 5 * 3


def test_count_macs_keeps_the_training_mode() -> None:
    network = classifier(MLPNetwork(hidden=(5,))).train()
    count_macs(network, height=32, width=32)
    assert network.training


def test_too_many_halvings_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="halved 3 times"):
        classifier(CNNNetwork(channels=(4, 4, 4), hidden=(4,)), height=4, width=32)


def test_initialization_depends_on_the_generator_only() -> None:
    networks = [classifier(recipe_config("cnn_baseline").network) for _ in range(3)]
    for network, seed in zip(networks, (1, 1, 2), strict=True):
        torch.manual_seed(seed * 100)
        initialize(network, draw(seed))
    first, again, other = (torch.cat([p.flatten() for p in network.parameters()]) for network in networks)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_first_predictions_are_close_to_uniform() -> None:
    network = classifier(recipe_config("mlp_baseline").network)
    initialize(network, draw())
    probabilities = network(torch.rand(64, 32, 32, 3)).softmax(1)
    assert float(probabilities.detach().max()) < 0.3


def test_dropout_zeroes_a_share_p_and_keeps_the_mean() -> None:
    layer = Dropout(0.25).train()
    seed_dropout(layer, draw())
    out = layer(torch.ones(200, 200))
    assert float((out == 0).float().mean()) == pytest.approx(0.25, abs=0.01)
    assert float(out.mean()) == pytest.approx(1.0, abs=0.02)
    assert torch.equal(layer.eval()(torch.ones(3)), torch.ones(3))


def test_dropout_without_a_generator_refuses_to_train() -> None:
    with pytest.raises(RuntimeError, match="generator"):
        Dropout(0.5).train()(torch.ones(3))
