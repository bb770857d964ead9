"""Muon: momentum whose matrices are made orthogonal before each step.

Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks", https://kellerjordan.github.io/posts/muon
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

_QUINTIC = (3.4445, -4.7750, 2.0315)
"""Coefficients of the iteration (Jordan et al. 2024): steepest at zero, and not meant to converge further than to
singular values between about 0.7 and 1.2."""
_ITERATIONS = 3


class Muon(torch.optim.Optimizer):
    """Muon for the groups that say `matrices`, AdamW (Loshchilov & Hutter 2019) for the others.

    A filter bank counts as a matrix with a row for each output channel. Each matrix is rescaled before every step to
    have rows of unit length on average, so that the rate is the relative size of a step: normalization layers make a
    layer's own scale meaningless, and without this it would drift and take the rate with it. Where `weight_decay` is
    above zero the scale is free, and decays, instead.

    Groups bring `lr`, `momentum` (Nesterov's for matrices, beta1 for the others), `weight_decay` and `matrices`.
    """

    def __init__(self, groups: Iterable[dict[str, Any]]) -> None:
        super().__init__(groups, {"lr": 0.0, "momentum": 0.9, "weight_decay": 0.0, "matrices": False})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Change every parameter that has a gradient."""
        loss = closure() if closure is not None else None
        for group in self.param_groups:
            change = _step_matrix if group["matrices"] else _step_vector
            for parameter in group["params"]:
                if parameter.grad is not None:
                    change(parameter, parameter.grad, self.state[parameter], group)
        return loss


def orthogonalized(matrix_RC: Tensor) -> Tensor:
    """About U V^T, where U S V^T is the singular value decomposition of `matrix_RC`, by Newton-Schulz iterations.

    float [R, C] -> bfloat16 [R, C]. The singular values come out near 1, not at 1, which serves as well and costs a
    few matrix products (Jordan et al. 2024).
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
    momentum = _remembered(state, "momentum", gradient)
    momentum.mul_(group["momentum"]).add_(gradient)
    rows = len(weight)
    update_RC = orthogonalized(gradient.add(momentum, alpha=group["momentum"]).reshape(rows, -1))
    if group["weight_decay"] > 0:
        weight.mul_(1 - group["lr"] * group["weight_decay"])
    else:
        # A matrix that starts at zero, as a residual block's last one does, has no direction to rescale yet.
        weight.mul_(rows**0.5 / weight.norm().clamp_min(1e-12))
    # With more rows than columns the rows of an orthogonal matrix are shorter than one.
    length = max(1.0, rows / update_RC.shape[1]) ** 0.5
    weight.add_(update_RC.reshape(weight.shape), alpha=-group["lr"] * length)


def _step_vector(weight: Tensor, gradient: Tensor, state: dict[str, Tensor], group: dict[str, Any]) -> None:
    beta1, beta2 = group["momentum"], 0.999
    mean, square = _remembered(state, "mean", gradient), _remembered(state, "square", gradient)
    # Under this name torch leaves the count on the processor when it loads a state.
    step = state.setdefault("step", torch.zeros(()))
    step += 1
    mean.lerp_(gradient, 1 - beta1)
    square.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
    count = float(step)
    denominator = (square / (1 - beta2**count)).sqrt_().add_(1e-8)
    weight.mul_(1 - group["lr"] * group["weight_decay"])
    weight.addcdiv_(mean, denominator, value=-group["lr"] / (1 - beta1**count))


def _remembered(state: dict[str, Tensor], name: str, like: Tensor) -> Tensor:
    if name not in state:
        state[name] = torch.zeros_like(like)
    return state[name]
