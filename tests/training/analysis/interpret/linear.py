"""A classifier without a hidden layer, whose explanations are known in closed form."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from core.recipes import MLPNetwork
from training.networks import Classifier, build_classifier

SIDE, CLASSES = 8, 3


def linear_classifier(seed: int = 0) -> tuple[Classifier, npt.NDArray[np.float64]]:
    """logits = pixels . weights + bias, and the weights [K, H, W, 3] of pixels in [0, 1]."""
    torch.manual_seed(seed)
    network = MLPNetwork(kind="mlp", hidden=(4,), dropout=0.0)
    classifier = build_classifier(network, height=SIDE, width=SIDE, classes=CLASSES, mean=(0,) * 3, std=(1,) * 3)
    dense = torch.nn.Linear(SIDE * SIDE * 3, CLASSES)
    classifier.network = torch.nn.Sequential(classifier.network[0], dense)
    weights_KHWC = dense.weight.detach().double().numpy().reshape(CLASSES, 3, SIDE, SIDE).transpose(0, 2, 3, 1)
    return classifier.eval().requires_grad_(False), weights_KHWC


def pixels(count: int = 5, seed: int = 1) -> npt.NDArray[np.float32]:
    """Random pixels in [0, 1], float32 [N, 8, 8, 3]."""
    return np.random.default_rng(seed).random((count, SIDE, SIDE, 3), dtype=np.float32)


def dense(classifier: Classifier) -> torch.nn.Linear:
    """The one layer of a linear classifier."""
    return next(layer for layer in classifier.modules() if isinstance(layer, torch.nn.Linear))
