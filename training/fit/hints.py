"""Feature hints: a throw-away head that predicts the teacher's features from the student's (FitNets, VID).

Features are the vector before a network's last dense layer. Romero et al. 2015 ("FitNets: Hints for thin deep nets")
compare them by mean squared error; Ahn et al. 2019 ("Variational information distillation for knowledge transfer")
learn a variance for each dimension, so that features which the student cannot predict weigh less.
"""

from __future__ import annotations

from collections.abc import Iterator
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
from training.networks import Classifier
from training.run.rng import generator

_DIMENSIONS = 32
"""Of the projected features, at most: 3 MB a round for 45,000 images. Those of cnn@4 have 384."""
_ROTATION = 5_381
"""Seeds the rotation of the projection."""
_RANK_TOLERANCE = 1e-6
"""Components with a smaller share of the largest variance are left out."""


def last_dense(classifier: Classifier) -> nn.Linear:
    """The layer whose output are the logits."""
    return [module for module in classifier.modules() if isinstance(module, nn.Linear)][-1]


@contextmanager
def kept_features(classifier: Classifier) -> Iterator[list[Tensor]]:
    """Collect the features of every forward pass in the block: float [N, width], the input of the last dense layer."""
    features: list[Tensor] = []
    handle = last_dense(classifier).register_forward_pre_hook(lambda _, inputs: features.append(inputs[0]))
    try:
        yield features
    finally:
        handle.remove()


@dataclass(frozen=True)
class Projection:
    """Principal components of a teacher's features, rotated at random and scaled to unit variance.

    The rotation gives every dimension a part of each component, as the features themselves have: the loss then weighs
    components by their variance.

    Attributes:
        mean_F: float32 [F].
        matrix_FD: float32 [F, D].
    """

    mean_F: Tensor
    matrix_FD: Tensor

    @staticmethod
    def dimensions(features: int) -> int:
        """D for so many features, at most."""
        return min(features, _DIMENSIONS)

    @classmethod
    def fit(cls, features_NF: Tensor) -> Projection:
        """Fit to float32 [N, F]; D is 32, or the rank of the features if that is less."""
        features = features_NF.double()
        mean_F = features.mean(0)
        centered = features - mean_F
        values_F, vectors_FF = torch.linalg.eigh(centered.T @ centered / len(centered))
        rank = int((values_F > _RANK_TOLERANCE * values_F[-1]).sum())
        components_FD = vectors_FF[:, -max(1, cls.dimensions(rank)) :]
        D = components_FD.shape[1]
        rotation_DD, _ = torch.linalg.qr(torch.randn(D, D, generator=generator(_ROTATION), dtype=torch.float64))
        matrix_FD = components_FD @ rotation_DD
        deviation_D = (centered @ matrix_FD).square().mean(0).sqrt()
        # Features that are all alike have no deviation to divide by.
        return cls(mean_F.float(), (matrix_FD / deviation_D.clamp_min(1e-12)).float())

    def __call__(self, features_NF: Tensor) -> Tensor:
        """float16 [N, D] of float32 [N, F]."""
        return ((features_NF - self.mean_F) @ self.matrix_FD).half()

    def save(self, path: Path) -> None:
        """Write the projection as .npz."""
        atomic_replace(path, partial(np.savez, mean=self.mean_F.numpy(), matrix=self.matrix_FD.numpy()))

    @classmethod
    def load(cls, path: Path) -> Projection:
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as arrays:
            return cls(torch.from_numpy(arrays["mean"]), torch.from_numpy(arrays["matrix"]))


class HintHead(nn.Module):
    """A Gaussian of the teacher's features, its mean linear in the student's, with a learned variance per dimension.

    It is trained with the student and thrown away. It starts by predicting zero with unit variance, which is what the
    projected features have.
    """

    def __init__(self, width: int, dimensions: int) -> None:
        super().__init__()
        self.mean = nn.Linear(width, dimensions)
        nn.init.zeros_(self.mean.weight)
        nn.init.zeros_(self.mean.bias)
        self.log_variance_D = nn.Parameter(torch.zeros(dimensions))

    def forward(self, features_NF: Tensor, hints_ND: Tensor) -> Tensor:
        """Negative log likelihood without its constant, mean of images and dimensions (Ahn et al. 2019, eq. 5).

        With the variance fixed at one it is half the mean squared error of FitNets.

        Args:
            features_NF: float [N, width], the student's.
            hints_ND: float [N, dimensions], the teacher's.
        """
        errors_ND = self.mean(features_NF.float()) - hints_ND.float()
        likelihood_ND = errors_ND.square() * torch.exp(-self.log_variance_D) + self.log_variance_D
        loss: Tensor = 0.5 * likelihood_ND.mean()
        return loss

    def parameter_group(self, config: Optimization) -> dict[str, Any]:
        """For the student's optimizer: no weight decay, and muon leaves the head to AdamW."""
        relative_rate = config.vector_learning_rate / config.learning_rate if config.optimizer == "muon" else 1.0
        return {"params": list(self.parameters()), "weight_decay": 0.0, "relative_rate": relative_rate}
