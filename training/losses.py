"""Losses between logits and what they should be: one-hot labels, or a teacher's answers."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from core.recipes import Optimization, RecipeConfig
from training.batches import Batch


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


def training_loss(logits_NK: Tensor, batch: Batch, config: RecipeConfig) -> Tensor:
    """Mean loss of a batch against its labels and, where it has one, its teacher; a scalar."""
    if batch.teacher_NK is None:
        return classification_loss(logits_NK, batch.onehot_NK, config.optimization)
    share = config.distillation.weight
    loss = share * distillation_loss(logits_NK, batch.teacher_NK, config.distillation.temperature)
    if share < 1:
        loss = loss + (1 - share) * classification_loss(logits_NK, batch.onehot_NK, config.optimization)
    return loss


def distillation_loss(logits_NK: Tensor, teacher_NK: Tensor, temperature: float) -> Tensor:
    """temperature^2 * KL(teacher || student), mean of the batch (Hinton et al. 2015).

    Args:
        logits_NK: float [N, K], the student's.
        teacher_NK: float32 [N, K], the teacher's probabilities at this temperature.
        temperature: divides the student's logits; its square keeps the gradients' size.
    """
    student_NK = functional.log_softmax(logits_NK.float() / temperature, dim=1)
    divergence = functional.kl_div(student_NK, teacher_NK, reduction="batchmean")
    return temperature**2 * divergence
