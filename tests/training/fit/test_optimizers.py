from typing import Any, Literal

import pytest
import torch
from torch import Tensor, nn

from core.recipes import Optimization
from training.fit.optimizers import Muon, build_optimizer, learning_rate, orthogonalized, set_learning_rate


def rates(schedule: Literal["constant", "linear", "cosine"], warmup: float = 0.0, total: int = 100) -> list[float]:
    config = Optimization(learning_rate=0.5, schedule=schedule, warmup=warmup)
    return [learning_rate(config, step, total) for step in range(total)]


def test_constant_stays_at_the_peak() -> None:
    assert set(rates("constant")) == {0.5}


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_decay_starts_at_the_peak_and_ends_near_zero(schedule: Literal["linear", "cosine"]) -> None:
    values = rates(schedule)
    assert values[0] == 0.5
    assert values == sorted(values, reverse=True)
    assert 0 < values[-1] < 0.011


def test_linear_and_cosine_schedules_are_at_half_the_peak_midway() -> None:
    assert rates("linear")[50] == pytest.approx(0.25)
    assert rates("cosine")[50] == pytest.approx(0.25)


def test_warmup_rises_to_the_peak_and_then_decays() -> None:
    values = rates("linear", warmup=0.2)
    assert values[:20] == sorted(values[:20])
    assert 0 < values[0] < values[19] < 0.5
    assert values[20] == pytest.approx(0.5)
    assert values[-1] == pytest.approx(0.5 / 80)


@pytest.mark.parametrize(
    ("name", "kind"), [("sgd", torch.optim.SGD), ("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)]
)
def test_weight_decay_excludes_biases(name: Literal["sgd", "adam", "adamw"], kind: type[torch.optim.Optimizer]) -> None:
    network = nn.Linear(3, 2)
    optimizer = build_optimizer(network, Optimization(optimizer=name, learning_rate=0.1, weight_decay=0.01))
    assert type(optimizer) is kind
    decay = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    assert decay == {id(network.weight): 0.01, id(network.bias): 0.0}


def test_muon_excludes_last_layer_biases_and_frozen_weights() -> None:
    network = nn.Sequential(nn.Linear(3, 4), nn.Conv2d(2, 2, 1), nn.Linear(4, 4), nn.Linear(4, 2))
    network[1].requires_grad_(False)
    config = Optimization(
        optimizer="muon", learning_rate=0.1, vector_learning_rate=0.002, momentum=0.6, weight_decay=0.01
    )
    optimizer = build_optimizer(network, config)
    matrices, last, vectors = optimizer.param_groups
    assert [id(p) for p in matrices["params"]] == [id(network[0].weight), id(network[2].weight)]
    assert [id(p) for p in last["params"]] == [id(network[3].weight)]
    assert {id(p) for p in vectors["params"]} == {id(network[n].bias) for n in (0, 2, 3)}
    assert (matrices["matrices"], last["matrices"], vectors["matrices"]) == (True, False, False)
    assert (matrices["weight_decay"], last["weight_decay"], vectors["weight_decay"]) == (0.01, 0.0, 0.0)
    assert matrices["momentum"] == 0.6
    set_learning_rate(optimizer, 0.05)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.05, 0.001, 0.001])


def test_set_learning_rate_reaches_every_group() -> None:
    optimizer = build_optimizer(nn.Linear(3, 2), Optimization(learning_rate=0.1))
    set_learning_rate(optimizer, 0.025)
    assert [group["lr"] for group in optimizer.param_groups] == [0.025, 0.025]


def draw(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def one_step(weight: Tensor, gradient: Tensor, **group: Any) -> Tensor:
    parameter = nn.Parameter(weight.clone())
    parameter.grad = gradient
    Muon([{"params": [parameter], "lr": 0.1, **group}]).step()
    return parameter.detach()


@pytest.mark.parametrize("shape", [(8, 8), (6, 20), (20, 6)])
def test_orthogonalized_has_singular_values_near_one(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=draw())
    result = orthogonalized(matrix).float()
    values = torch.linalg.svdvals(result)
    assert result.shape == shape
    assert float(torch.linalg.svdvals(matrix / matrix.norm()).min()) < 0.3
    assert 0.3 < float(values.min()) <= float(values.max()) < 1.3
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    between = left.T @ result @ right.T
    assert float((between - between.diag().diag()).abs().max()) < 0.05  # bfloat16


def test_muon_step_ignores_the_gradient_scale() -> None:
    weight, gradient = torch.randn(4, 9, generator=draw()), torch.randn(4, 9, generator=draw(1))
    small, large = (one_step(weight, gradient * factor, matrices=True) for factor in (1e-3, 1e3))
    assert torch.allclose(small, large, atol=2e-3)


def test_muon_rescales_filters_to_unit_length() -> None:
    weight, gradient = 50 * torch.randn(8, 4, 3, 3, generator=draw()), torch.randn(8, 4, 3, 3, generator=draw(1))
    unit = weight * 8**0.5 / weight.norm()
    moved = one_step(weight, gradient, matrices=True) - unit
    # Eight rows of about unit length, times the learning rate.
    assert float(moved.norm()) == pytest.approx(0.1 * 8**0.5, rel=0.3)
    assert float((moved * gradient).sum()) < 0


def test_weight_decay_disables_rescaling() -> None:
    weight, gradient = torch.randn(6, 6, generator=draw()), torch.zeros(6, 6)
    assert torch.allclose(one_step(weight, gradient, matrices=True, weight_decay=0.5), 0.95 * weight)


def test_muon_momentum_continues_a_step() -> None:
    parameter = nn.Parameter(torch.randn(5, 5, generator=draw()))
    optimizer = Muon([{"params": [parameter], "lr": 0.1, "matrices": True, "momentum": 0.9}])
    parameter.grad = torch.randn(5, 5, generator=draw(1))
    optimizer.step()
    before = parameter.detach().clone()
    parameter.grad = torch.zeros(5, 5)
    optimizer.step()
    assert float((parameter.detach() - before).norm()) > 0.05


def test_muon_vectors_follow_adamw() -> None:
    start = torch.randn(7, generator=draw())
    ours, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    muon = Muon([{"params": [ours], "lr": 0.01, "momentum": 0.8, "weight_decay": 0.1}])
    adamw = torch.optim.AdamW([theirs], lr=0.01, betas=(0.8, 0.999), weight_decay=0.1)
    for seed in range(5):
        ours.grad = theirs.grad = torch.randn(7, generator=draw(seed))
        muon.step()
        adamw.step()
    assert torch.allclose(ours, theirs, atol=1e-6)


def test_muon_keeps_parameters_without_gradient() -> None:
    parameter = nn.Parameter(torch.ones(3, 3))
    Muon([{"params": [parameter], "lr": 0.1, "matrices": True}]).step()
    assert torch.equal(parameter, torch.ones(3, 3))


def test_muon_step_of_a_zero_matrix_is_finite() -> None:
    gradient = torch.randn(6, 4, generator=draw())
    moved = one_step(torch.zeros(6, 4), gradient, matrices=True)
    assert moved.isfinite().all()
    assert float((moved * gradient).sum()) < 0
