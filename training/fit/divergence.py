"""Divergence checks: a run with a NaN or infinite loss, weight or logit stops before its checkpoint is written."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from core.errors import TrainingDivergedError


def require_finite(values: Tensor | float, name: str, *, epoch: int, step: int | None = None) -> None:
    """Check a loss or logits in a step, or at the end of an epoch if `step` is None; both count from 0.

    Raises:
        TrainingDivergedError: a value is NaN or infinite. The message contains `name`.
    """
    if not bool(torch.as_tensor(values).isfinite().all()):
        place = f"at the end of epoch {epoch + 1}" if step is None else f"in step {step + 1} of epoch {epoch + 1}"
        kept = f"; the checkpoint of epoch {epoch} is kept" if epoch else ""
        raise TrainingDivergedError(
            f"{name} became NaN or infinite {place}{kept}: try a lower optimization.learning_rate"
        )


def require_finite_weights(network: nn.Module, *, epoch: int) -> None:
    """Check every weight and buffer at the end of an epoch, counted from 0.

    The loss of the last step cannot show this, because it belongs to the weights before that step.

    Raises:
        TrainingDivergedError: a value is NaN or infinite, or the sum of a tensor overflows.
    """
    # A sum is finite only if all its terms are, and is faster than `isfinite` on each.
    sums = [tensor.detach().sum() for tensor in network.state_dict().values() if tensor.is_floating_point()]
    require_finite(torch.stack(sums), "the weights", epoch=epoch)
