import math
from pathlib import Path

import pytest
import torch
from torch import nn

from core.recipes import CNNNetwork, MLPNetwork, Optimization
from training.fit.hints import HintHead, Projection, capture_features, last_dense
from training.fit.optimizers import build_optimizer
from training.networks import build_classifier


def draw(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    ("network", "width"),
    [
        (MLPNetwork(hidden=(12,), blocks=1), 12),
        (MLPNetwork(hidden=(12, 7)), 7),
        (CNNNetwork(channels=(4, 6), convolutions=1, hidden=(5,)), 5),
        (CNNNetwork(design="whitened", channels=(4, 6), hidden=()), 6),
    ],
)
def test_features_are_the_input_of_the_last_dense_layer(network: MLPNetwork | CNNNetwork, width: int) -> None:
    classifier = build_classifier(network, height=16, width=16, classes=10, mean=(0.5,) * 3, std=(0.2,) * 3).eval()
    pixels = torch.rand(3, 16, 16, 3, generator=draw())
    with capture_features(classifier) as features:
        logits = classifier(pixels)
    assert features[0].shape == (3, width)
    assert torch.equal(last_dense(classifier)(features[0]), logits)
    classifier(pixels)
    assert len(features) == 1


def test_projected_features_have_no_mean_and_unit_variance(tmp_path: Path) -> None:
    features = torch.randn(500, 40, generator=draw()) * torch.linspace(0.1, 9.0, 40) + 3.0
    projection = Projection.fit(features)
    hints = projection(features)
    assert hints.shape == (500, 32)
    assert hints.dtype == torch.float16
    assert torch.allclose(hints.float().mean(0), torch.zeros(32), atol=0.01)
    assert torch.allclose(hints.float().var(0, correction=0), torch.ones(32), atol=0.01)
    projection.save(tmp_path / "projection.npz")
    assert torch.equal(Projection.load(tmp_path / "projection.npz")(features), hints)


def test_projection_keeps_components_of_largest_variance() -> None:
    """Of 40 features, the 32 with large variance determine the projection, the other eight do not."""
    deviations = torch.tensor([5.0] * 32 + [0.01] * 8)
    projection = Projection.fit(torch.randn(2000, 40, generator=draw()) * deviations)
    assert projection.matrix_FD[32:].abs().max() < 0.05 * projection.matrix_FD[:32].abs().max()


def test_projection_dimension_is_limited_by_the_rank() -> None:
    rank_two = torch.randn(100, 2, generator=draw()) @ torch.randn(2, 20, generator=draw(1))
    assert Projection.fit(rank_two)(rank_two).shape == (100, 2)
    constant = torch.ones(100, 20)
    assert Projection.fit(constant)(constant).isfinite().all()


def test_hint_loss_is_the_gaussian_log_likelihood() -> None:
    head = HintHead(3, 2)
    nn.init.normal_(head.mean.weight, generator=draw())
    head.log_variance_D.data = torch.tensor([0.5, -1.0])
    features, hints = torch.randn(6, 3, generator=draw(1)), torch.randn(6, 2, generator=draw(2))
    variance = head.log_variance_D.exp().expand(6, 2)
    expected = nn.functional.gaussian_nll_loss(head.mean(features), hints, variance)
    assert head(features, hints).item() == pytest.approx(expected.item())


def test_initial_hint_loss_is_half_the_mean_squared_error() -> None:
    hints = torch.randn(50, 4, generator=draw())
    loss = HintHead(3, 4)(torch.randn(50, 3, generator=draw(1)), hints)
    assert loss.item() == pytest.approx(0.5 * hints.square().mean().item())


def test_features_that_cannot_be_predicted_get_a_larger_variance() -> None:
    """One dimension is linear in the student's features, the other is noise."""
    features = torch.randn(400, 3, generator=draw())
    hints = torch.stack([features[:, 0], torch.randn(400, generator=draw(1))], dim=1)
    head = HintHead(3, 2)
    optimizer = torch.optim.Adam(head.parameters(), lr=0.02)
    for _ in range(300):
        optimizer.zero_grad()
        head(features, hints).backward()
        optimizer.step()
    variances = head.log_variance_D.exp().tolist()
    assert variances[0] < 0.05
    assert 0.8 < variances[1] < 1.2
    assert head(features, hints).item() < 0.25 * math.log(variances[0]) + 0.6


@pytest.mark.parametrize(("optimizer", "relative"), [("muon", 0.1), ("adamw", 1.0)])
def test_hint_head_parameter_group_uses_the_vector_learning_rate(optimizer: str, relative: float) -> None:
    config = Optimization(optimizer=optimizer, learning_rate=0.02, vector_learning_rate=0.002, weight_decay=0.1)
    group = HintHead(3, 4).parameter_group(config)
    assert group["relative_rate"] == pytest.approx(relative)
    assert group["weight_decay"] == 0.0
    assert [tuple(parameter.shape) for parameter in group["params"]] == [(4,), (4, 3), (4,)]


def test_hint_head_uses_the_momentum_of_the_recipe_with_muon() -> None:
    config = Optimization(optimizer="muon", learning_rate=0.02, momentum=0.6)
    optimizer = build_optimizer(nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2)), config)
    optimizer.add_param_group(HintHead(3, 4).parameter_group(config))
    assert optimizer.param_groups[-1]["momentum"] == 0.6
