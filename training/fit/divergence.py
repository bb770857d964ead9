"""Divergence checks: a run with a NaN or infinite loss, weight or logit stops before its checkpoint is written."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from core.errors import TrainingDivergedError


def require_finite_loss(loss: float, *, epoch: int, step: int) -> float:
    """Return the loss of a step; `epoch` and `step` count from 0.

    Raises:
        TrainingDivergedError: the loss is NaN or infinite.
    """
    if not math.isfinite(loss):
        raise _diverged(f"the loss became {loss} in step {step + 1} of epoch {epoch + 1}", epoch)
    return loss


def require_finite_weights(network: nn.Module, *, epoch: int) -> None:
    """Check every weight and buffer at the end of an epoch, counted from 0.

    The loss of the last step cannot show this, because it belongs to the weights before that step.

    Raises:
        TrainingDivergedError: a value is NaN or infinite, or the sum of a tensor overflows.
    """
    # A sum is finite only if all its terms are, and is faster than `isfinite` on each.
    sums = [tensor.detach().sum() for tensor in network.state_dict().values() if tensor.is_floating_point()]
    if not bool(torch.stack(sums).isfinite().all()):
        raise _diverged(f"the weights were no longer finite at the end of epoch {epoch + 1}", epoch)


def require_finite_validation(loss: float, *, epoch: int) -> None:
    """Check the loss on the validation images at the end of an epoch, counted from 0.

    Raises:
        TrainingDivergedError: the loss is NaN or infinite.
    """
    if not math.isfinite(loss):
        raise _diverged(f"the validation loss became {loss} at the end of epoch {epoch + 1}", epoch)


def require_finite_logits(logits_NK: Tensor, *, epoch: int) -> None:
    """Check logits at the end of an epoch, counted from 0. They can overflow although all weights are finite.

    Raises:
        TrainingDivergedError: a logit is NaN or infinite.
    """
    if not bool(logits_NK.isfinite().all()):
        raise _diverged(f"the logits were no longer finite at the end of epoch {epoch + 1}", epoch)


def _diverged(problem: str, epochs_done: int) -> TrainingDivergedError:
    kept = f"; the checkpoint of epoch {epochs_done} is kept" if epochs_done else ""
    return TrainingDivergedError(f"{problem}{kept}. Try a lower optimization.learning_rate")
