import math

import pytest
import torch

from core.recipes import Optimization
from training.losses import classification_loss

LOGITS = torch.tensor([[0.0, 0.0], [math.log(3.0), 0.0]])  # softmax: 1/2 1/2 and 3/4 1/4
ONEHOT = torch.tensor([[1.0, 0.0], [0.0, 1.0]])


def test_cross_entropy_of_known_probabilities() -> None:
    loss = classification_loss(LOGITS, ONEHOT, Optimization(learning_rate=1.0))
    assert loss.item() == pytest.approx((math.log(2) + math.log(4)) / 2)


def test_label_smoothing_mixes_in_the_uniform_distribution() -> None:
    loss = classification_loss(LOGITS, ONEHOT, Optimization(learning_rate=1.0, label_smoothing=0.2))
    first = math.log(2)
    second = -(0.9 * math.log(1 / 4) + 0.1 * math.log(3 / 4))
    assert loss.item() == pytest.approx((first + second) / 2)


def test_mean_squared_error_compares_probabilities_with_one_hot_labels() -> None:
    loss = classification_loss(LOGITS, ONEHOT, Optimization(learning_rate=1.0, loss="mse"))
    assert loss.item() == pytest.approx((0.5 + 2 * 0.75**2) / 2)


def test_half_precision_logits_are_summed_in_single_precision() -> None:
    loss = classification_loss(LOGITS.bfloat16(), ONEHOT, Optimization(learning_rate=1.0))
    assert loss.dtype == torch.float32
