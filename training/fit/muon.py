"""Muon optimizer: momentum with orthogonalized updates for matrices, AdamW for other parameters.

Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks", https://kellerjordan.github.io/posts/muon
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

_QUINTIC = (3.4445, -4.7750, 2.0315)
"""Coefficients of the Newton-Schulz iteration (Jordan et al. 2024), chosen for a steep slope at zero. Singular values
converge only to between about 0.7 and 1.2."""
_ITERATIONS = 3


class Muon(torch.optim.Optimizer):
    """Muon for parameter groups with `matrices=True`, AdamW (Loshchilov & Hutter 2019) for the others.

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
