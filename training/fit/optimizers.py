"""Optimizers, and the learning-rate schedule as a pure function of the step."""

from __future__ import annotations

import math

import torch
from torch import nn

from core.recipes import Optimization
from training.fit.muon import Muon


def build_optimizer(network: nn.Module, config: Optimization) -> torch.optim.Optimizer:
    """Build the optimizer of `config` for the trainable parameters of `network`.

    Weight decay applies to dense and convolution weights only, not to biases and batch normalization. `relative_rate`
    of a parameter group is its learning rate relative to the schedule.
    """
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    weights = [parameter for parameter in trained if parameter.ndim > 1]
    others = [parameter for parameter in trained if parameter.ndim <= 1]
    if config.optimizer == "muon":
        return _muon(weights[:-1], weights[-1:], others, config)
    groups = [
        {"params": weights, "weight_decay": config.weight_decay, "relative_rate": 1.0},
        {"params": others, "weight_decay": 0.0, "relative_rate": 1.0},
    ]
    if config.optimizer == "sgd":
        nesterov = config.momentum > 0  # torch rejects Nesterov momentum with momentum 0
        return torch.optim.SGD(groups, lr=config.learning_rate, momentum=config.momentum, nesterov=nesterov)
    kind = torch.optim.Adam if config.optimizer == "adam" else torch.optim.AdamW
    return kind(groups, lr=config.learning_rate, betas=(config.momentum, 0.999))


def _muon(
    matrices: list[nn.Parameter], last: list[nn.Parameter], vectors: list[nn.Parameter], config: Optimization
) -> Muon:
    """The last layer uses AdamW: the scale of the logits must be free, and Muon's steps have a fixed size."""
    relative_rate = config.vector_learning_rate / config.learning_rate
    decay = config.weight_decay
    return Muon(
        [
            {
                "params": matrices, "matrices": True, "momentum": config.momentum, "weight_decay": decay,
                "relative_rate": 1.0,
            },
            {"params": last, "weight_decay": 0.0, "relative_rate": relative_rate},
            {"params": vectors, "weight_decay": 0.0, "relative_rate": relative_rate},
        ]
    )  # fmt: skip


def learning_rate(config: Optimization, step: int, total_steps: int) -> float:
    """Learning rate at `step` (counted from 0): linear warm-up to the peak, then the configured decay to zero."""
    warmup_steps = config.warmup * total_steps
    if step < warmup_steps:
        return config.learning_rate * (step + 1) / (warmup_steps + 1)
    if config.schedule == "constant":
        return config.learning_rate
    remaining = (total_steps - step) / max(1.0, total_steps - warmup_steps)
    if config.schedule == "linear":
        return config.learning_rate * remaining
    return config.learning_rate * 0.5 * (1.0 + math.cos(math.pi * (1.0 - remaining)))


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of every parameter group to `rate` times its `relative_rate`."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["relative_rate"]
