from typing import Literal

import pytest
import torch
from torch import nn

from core.recipes import Optimization
from training.fit.optimizers import build_optimizer, learning_rate, set_learning_rate


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
