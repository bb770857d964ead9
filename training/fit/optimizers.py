"""Optimizers (SGD, Adam, AdamW, Muon), learning-rate schedule and weight averaging."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from core.recipes import Optimization
from training.networks import Classifier

_QUINTIC = (3.4445, -4.7750, 2.0315)
"""Coefficients of the Newton-Schulz iteration (Jordan et al. 2024), chosen for a steep slope at zero. Singular values
converge only to between about 0.7 and 1.2."""
_ITERATIONS = 3


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
    shared: dict[str, Any] = {"matrices": True, "momentum": config.momentum, "weight_decay": config.weight_decay}
    relative_rate = config.vector_learning_rate / config.learning_rate
    return Muon(
        [
            {"params": matrices, "relative_rate": 1.0, **shared},
            {"params": last, "relative_rate": relative_rate},
            {"params": vectors, "relative_rate": relative_rate},
        ]
    )


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


class Muon(torch.optim.Optimizer):
    """Muon for parameter groups with `matrices=True`, AdamW (Loshchilov & Hutter 2019) for the others.

    Muon is momentum with orthogonalized updates (Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural
    networks", https://kellerjordan.github.io/posts/muon).

    A convolution weight is a matrix with one row per output channel. Before every step each matrix is rescaled to
    root-mean-square row length 1, so that the learning rate is the relative size of a step. Normalization layers make
    the scale of a layer irrelevant; without rescaling it would drift and change the effective learning rate. With
    `weight_decay` above zero there is no rescaling, and the weights decay instead.

    Args:
        groups: parameter groups with `lr`, `momentum` (Nesterov momentum for matrices, beta1 for the others),
            `weight_decay` and `matrices`.
    """

    def __init__(self, groups: Iterable[dict[str, Any]]) -> None:
        super().__init__(groups, {"lr": 0.0, "momentum": 0.9, "weight_decay": 0.0, "matrices": False})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Perform a single optimization step."""
        loss = closure() if closure is not None else None
        for group in self.param_groups:
            update = _step_matrix if group["matrices"] else _step_vector
            for parameter in group["params"]:
                if parameter.grad is not None:
                    update(parameter, parameter.grad, self.state[parameter], group)
        return loss


def orthogonalized(matrix_RC: Tensor) -> Tensor:
    """Approximate U V^T of the singular value decomposition U S V^T by Newton-Schulz iterations.

    float [R, C] -> bfloat16 [R, C]. The singular values of the result are near 1 but not equal to it, which is
    sufficient (Jordan et al. 2024).
    """
    a, b, c = _QUINTIC
    tall = matrix_RC.shape[0] > matrix_RC.shape[1]
    wide = matrix_RC.T if tall else matrix_RC
    x: Tensor = (wide / (wide.norm() + 1e-12)).to(torch.bfloat16)
    for _ in range(_ITERATIONS):
        gram = x @ x.T
        x = a * x + torch.addmm(b * gram, gram, gram, alpha=c) @ x
    return x.T if tall else x


def _step_matrix(weight: Tensor, gradient: Tensor, state: dict[str, Tensor], group: dict[str, Any]) -> None:
    momentum = _state_tensor(state, "momentum", gradient)
    momentum.mul_(group["momentum"]).add_(gradient)
    rows = len(weight)
    update_RC = orthogonalized(gradient.add(momentum, alpha=group["momentum"]).reshape(rows, -1))
    if group["weight_decay"] > 0:
        weight.mul_(1 - group["lr"] * group["weight_decay"])
    else:
        # The clamp is for matrices initialized to zero, as in residual blocks.
        weight.mul_(rows**0.5 / weight.norm().clamp_min(1e-12))
    # The rows of an orthogonal matrix with more rows than columns are shorter than 1.
    length = max(1.0, rows / update_RC.shape[1]) ** 0.5
    weight.add_(update_RC.reshape(weight.shape), alpha=-group["lr"] * length)


def _step_vector(weight: Tensor, gradient: Tensor, state: dict[str, Tensor], group: dict[str, Any]) -> None:
    beta1, beta2 = group["momentum"], 0.999
    mean, square = _state_tensor(state, "mean", gradient), _state_tensor(state, "square", gradient)
    # torch keeps a state tensor named "step" on the CPU when it loads a state dict.
    step = state.setdefault("step", torch.zeros(()))
    step += 1
    mean.lerp_(gradient, 1 - beta1)
    square.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
    count = float(step)
    denominator = (square / (1 - beta2**count)).sqrt_().add_(1e-8)
    weight.mul_(1 - group["lr"] * group["weight_decay"])
    weight.addcdiv_(mean, denominator, value=-group["lr"] / (1 - beta1**count))


def _state_tensor(state: dict[str, Tensor], name: str, like: Tensor) -> Tensor:
    if name not in state:
        state[name] = torch.zeros_like(like)
    return state[name]


class WeightEMA:
    """Exponential moving average of all weights and buffers over about `horizon` steps (Polyak & Juditsky 1992).

    In the first 10 * `horizon` steps the average spans a tenth of the steps so far.
    """

    def __init__(self, classifier: Classifier, horizon: float) -> None:
        self.classifier = copy.deepcopy(classifier).requires_grad_(False)
        self._horizon = horizon

    @torch.no_grad()
    def update(self, classifier: Classifier, steps: int) -> None:
        """Update the average with the weights after `steps` steps."""
        share = 1.0 / max(1.0, min(self._horizon, 1.0 + steps / 10))
        current = classifier.state_dict()
        for name, tensor in self.classifier.state_dict().items():
            if tensor.is_floating_point():
                tensor.lerp_(current[name], share)
            else:
                tensor.copy_(current[name])
