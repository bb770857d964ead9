"""When a run has diverged: noticed before a checkpoint is written from which it could only go on diverging."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from core.errors import TrainingDivergedError


def require_finite_loss(loss: float, *, epoch: int, step: int) -> float:
    """The loss of a step, both numbers counted from 0.

    Raises:
        TrainingDivergedError: it is NaN or infinite.
    """
    if not math.isfinite(loss):
        raise _diverged(f"the loss became {loss} in step {step + 1} of epoch {epoch + 1}", epoch)
    return loss


def require_finite_weights(network: nn.Module, *, epoch: int) -> None:
    """Check every weight and buffer at the end of an epoch, counted from 0: a step's loss is of the weights before it.

    Raises:
        TrainingDivergedError: one is NaN or infinite, or they are so large that their sum is.
    """
    # A sum is finite only if all its terms are, and far quicker than asking each.
    sums = [tensor.detach().sum() for tensor in network.state_dict().values() if tensor.is_floating_point()]
    if not bool(torch.stack(sums).isfinite().all()):
        raise _diverged(f"the weights were no longer finite at the end of epoch {epoch + 1}", epoch)


def require_finite_validation(loss: float, *, epoch: int) -> None:
    """Check the loss on the validation images at the end of an epoch, counted from 0.

    Raises:
        TrainingDivergedError: it is NaN or infinite.
    """
    if not math.isfinite(loss):
        raise _diverged(f"the validation loss became {loss} at the end of epoch {epoch + 1}", epoch)


def require_finite_answers(logits_NK: Tensor, *, epoch: int) -> None:
    """Check the network's answers at the end of an epoch, counted from 0: weights may be finite and yet too large.

    Raises:
        TrainingDivergedError: a logit is NaN or infinite.
    """
    if not bool(logits_NK.isfinite().all()):
        raise _diverged(f"the network's answers were no longer finite at the end of epoch {epoch + 1}", epoch)


def _diverged(what: str, epochs_done: int) -> TrainingDivergedError:
    kept = f"; the checkpoint of epoch {epochs_done} is kept" if epochs_done else ""
    return TrainingDivergedError(f"{what}{kept}. Try a lower optimization.learning_rate")
