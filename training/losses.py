"""Losses between logits and one-hot labels."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from core.recipes import Optimization


def classification_loss(logits_NK: Tensor, onehot_NK: Tensor, config: Optimization) -> Tensor:
    """Mean loss of a batch, a scalar.

    Args:
        logits_NK: float [N, K].
        onehot_NK: float32 [N, K], rows sum to one.
        config: names the loss; label smoothing mixes the labels with the uniform distribution
            (Szegedy et al. 2016).
    """
    logits_NK = logits_NK.float()
    classes = onehot_NK.shape[1]
    target_NK = onehot_NK * (1.0 - config.label_smoothing) + config.label_smoothing / classes
    if config.loss == "cross_entropy":
        return -(target_NK * functional.log_softmax(logits_NK, dim=1)).sum(dim=1).mean()
    return (functional.softmax(logits_NK, dim=1) - target_NK).square().sum(dim=1).mean()
