"""Losses: cross-entropy or squared error with labels, distillation from soft labels, energy margin for outliers."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from core.recipes import Optimization, RecipeConfig
from training.augment.batches import Batch

_INSIDE_ENERGY, _OUTSIDE_ENERGY = -8.0, -3.0
_ENERGY_WEIGHT = 0.1
"""Weight of Liu et al. 2020. The margins are chosen for training from scratch instead of fine-tuning."""


def classification_loss(logits_NK: Tensor, onehot_NK: Tensor, config: Optimization) -> Tensor:
    """Mean classification loss of a batch, a scalar.

    Args:
        logits_NK: float [N, K].
        onehot_NK: float32 [N, K], rows sum to 1.
        config: selects the loss and the label smoothing, which mixes the labels with the uniform distribution
            (Szegedy et al. 2016).
    """
    logits_NK = logits_NK.float()
    classes = onehot_NK.shape[1]
    target_NK = onehot_NK * (1.0 - config.label_smoothing) + config.label_smoothing / classes
    if config.loss == "cross_entropy":
        return -(target_NK * functional.log_softmax(logits_NK, dim=1)).sum(dim=1).mean()
    return (functional.softmax(logits_NK, dim=1) - target_NK).square().sum(dim=1).mean()


def training_loss(logits_LK: Tensor, batch: Batch, config: RecipeConfig) -> Tensor:
    """Mean training loss of a batch, a scalar: label loss, distillation loss, and energy margin loss for outliers."""
    images = len(batch.onehot_NK)
    loss = _target_loss(logits_LK[:images], batch, config)
    if len(logits_LK) > images:
        loss = loss + _ENERGY_WEIGHT * energy_margin_loss(logits_LK[:images], logits_LK[images:])
    return loss


def energy_margin_loss(inside_NK: Tensor, outside_MK: Tensor) -> Tensor:
    """Squared hinge loss on the energy -logsumexp(logits), a scalar (Liu et al. 2020).

    The energy of training images should be at most `_INSIDE_ENERGY`, that of outliers at least `_OUTSIDE_ENERGY`.
    Augmented images count as training images. The label loss does not determine the energy: a constant added to all
    logits changes the energy but no probability.

    Args:
        inside_NK: float [N, K], logits of training images.
        outside_MK: float [M, K], logits of outliers.
    """
    inside_N, outside_M = (-torch.logsumexp(logits.float(), dim=1) for logits in (inside_NK, outside_MK))
    too_high_N = (inside_N - _INSIDE_ENERGY).relu()
    too_low_M = (_OUTSIDE_ENERGY - outside_M).relu()
    return too_high_N.square().mean() + too_low_M.square().mean()


def _target_loss(logits_NK: Tensor, batch: Batch, config: RecipeConfig) -> Tensor:
    if batch.teacher_NK is None:
        return classification_loss(logits_NK, batch.onehot_NK, config.optimization)
    share = config.distillation.weight
    loss = share * distillation_loss(logits_NK, batch.teacher_NK, config.distillation.temperature)
    if share < 1:
        loss = loss + (1 - share) * classification_loss(logits_NK, batch.onehot_NK, config.optimization)
    return loss


def distillation_loss(logits_NK: Tensor, teacher_NK: Tensor, temperature: float) -> Tensor:
    """temperature^2 * KL(teacher || student), mean over the batch (Hinton et al. 2015).

    Args:
        logits_NK: float [N, K], logits of the student.
        teacher_NK: float32 [N, K], probabilities of the teacher at this temperature.
        temperature: divides the student's logits. The factor temperature^2 keeps the scale of the gradients.
    """
    student_NK = functional.log_softmax(logits_NK.float() / temperature, dim=1)
    divergence = functional.kl_div(student_NK, teacher_NK, reduction="batchmean")
    return temperature**2 * divergence
