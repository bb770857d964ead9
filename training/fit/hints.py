"""Feature hints: an auxiliary head that predicts the teacher's features from the student's during training.

Features are the input of a network's last dense layer. Romero et al. 2015 ("FitNets: Hints for thin deep nets") use a
mean squared error. Ahn et al. 2019 ("Variational information distillation for knowledge transfer") learn a variance per
dimension, which reduces the weight of features that the student cannot predict.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from core.files.durable import atomic_replace
from core.recipes import Optimization
from training.augment.teacher_rounds import RoundSoftLabels
from training.networks import Classifier
from training.run.rng import generator

_DIMENSIONS = 32
"""Maximum dimension of the projected features: 3 MB per round of 45,000 images. The features of cnn@4 have 384."""
_ROTATION_SEED = 5_381
_RANK_TOLERANCE = 1e-6
"""Components with a smaller variance, relative to the largest one, are dropped."""


def last_dense(classifier: Classifier) -> nn.Linear:
    """The last dense layer, which computes the logits."""
    return [module for module in classifier.modules() if isinstance(module, nn.Linear)][-1]


@contextmanager
def capture_features(classifier: Classifier) -> Iterator[list[Tensor]]:
    """Collect the features float [N, width] of each forward pass in the block: the input of the last dense layer."""
    features: list[Tensor] = []
    handle = last_dense(classifier).register_forward_pre_hook(lambda _, inputs: features.append(inputs[0]))
    try:
        yield features
    finally:
        handle.remove()


@dataclass(frozen=True)
class Projection:
    """Principal components of a teacher's features, randomly rotated and scaled to unit variance.

    The rotation mixes the components, so that the loss weighs them by their variance.

    Attributes:
        mean_F: float32 [F].
        matrix_FD: float32 [F, D].
    """

    mean_F: Tensor
    matrix_FD: Tensor

    @staticmethod
    def dimensions(features: int) -> int:
        """Upper bound of D for the given number of features."""
        return min(features, _DIMENSIONS)

    @classmethod
    def fit(cls, features_NF: Tensor) -> Projection:
        """Fit to float32 [N, F]; D is 32, or the rank of the features if it is lower."""
        features = features_NF.double()
        mean_F = features.mean(0)
        centered = features - mean_F
        values_F, vectors_FF = torch.linalg.eigh(centered.T @ centered / len(centered))
        rank = int((values_F > _RANK_TOLERANCE * values_F[-1]).sum())
        components_FD = vectors_FF[:, -max(1, cls.dimensions(rank)) :]
        D = components_FD.shape[1]
        rotation_DD, _ = torch.linalg.qr(torch.randn(D, D, generator=generator(_ROTATION_SEED), dtype=torch.float64))
        matrix_FD = components_FD @ rotation_DD
        deviation_D = (centered @ matrix_FD).square().mean(0).sqrt()
        # Avoids division by zero if all images have the same features.
        return cls(mean_F.float(), (matrix_FD / deviation_D.clamp_min(1e-12)).float())

    def __call__(self, features_NF: Tensor) -> Tensor:
        """Project features: float32 [N, F] -> float16 [N, D]."""
        return ((features_NF - self.mean_F) @ self.matrix_FD).half()

    def save(self, path: Path) -> None:
        """Write the projection to an .npz file."""
        atomic_replace(path, partial(np.savez, mean=self.mean_F.numpy(), matrix=self.matrix_FD.numpy()))

    @classmethod
    def load(cls, path: Path) -> Projection:
        """Read a file written by `save`."""
        with np.load(path, allow_pickle=False) as arrays:
            return cls(torch.from_numpy(arrays["mean"]), torch.from_numpy(arrays["matrix"]))


class HintHead(nn.Module):
    """Gaussian model of the teacher's features: mean linear in the student's features, learned variance per dimension.

    It is trained with the student and discarded afterwards. It starts with mean zero and unit variance, like the
    projected features.
    """

    def __init__(self, width: int, dimensions: int) -> None:
        super().__init__()
        self.mean = nn.Linear(width, dimensions)
        nn.init.zeros_(self.mean.weight)
        nn.init.zeros_(self.mean.bias)
        self.log_variance_D = nn.Parameter(torch.zeros(dimensions))

    def forward(self, features_NF: Tensor, hints_ND: Tensor) -> Tensor:
        """Mean negative log-likelihood over images and dimensions, without its constant (Ahn et al. 2019, eq. 5).

        With unit variance it equals half the mean squared error of FitNets.

        Args:
            features_NF: float [N, width], features of the student.
            hints_ND: float [N, dimensions], projected features of the teacher.
        """
        errors_ND = self.mean(features_NF.float()) - hints_ND.float()
        likelihood_ND = errors_ND.square() * torch.exp(-self.log_variance_D) + self.log_variance_D
        loss: Tensor = 0.5 * likelihood_ND.mean()
        return loss

    def parameter_group(self, config: Optimization) -> dict[str, Any]:
        """Parameter group for the student's optimizer: no weight decay; Muon updates it with AdamW."""
        group = {"params": list(self.parameters()), "weight_decay": 0.0, "relative_rate": 1.0}
        if config.optimizer == "muon":
            relative_rate = config.vector_learning_rate / config.learning_rate
            group |= {"relative_rate": relative_rate, "momentum": config.momentum}
        return group


def hint_head(
    classifier: Classifier, teacher: Sequence[RoundSoftLabels] | None, device: torch.device
) -> HintHead | None:
    """Head for the teacher's hints; None if the soft labels have no hints."""
    hints_NF = None if teacher is None else teacher[0].hints_NF
    if hints_NF is None:
        return None
    return HintHead(last_dense(classifier).in_features, hints_NF.shape[1]).to(device)
