import math

import pytest
import torch

from core.recipes import Optimization
from tests.support.training_runs import small_recipe
from training.augment.batches import Batch
from training.fit.losses import classification_loss, distillation_loss, energy_margin_loss, training_loss

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


def test_squared_error_compares_probabilities_with_labels() -> None:
    loss = classification_loss(LOGITS, ONEHOT, Optimization(learning_rate=1.0, loss="mse"))
    assert loss.item() == pytest.approx((0.5 + 2 * 0.75**2) / 2)


def test_half_precision_logits_are_summed_in_single_precision() -> None:
    loss = classification_loss(LOGITS.bfloat16(), ONEHOT, Optimization(learning_rate=1.0))
    assert loss.dtype == torch.float32


def test_distillation_loss_of_equal_logits_is_zero() -> None:
    for temperature in (1.0, 3.0):
        teacher = (LOGITS / temperature).softmax(1)
        assert distillation_loss(LOGITS, teacher, temperature).item() == pytest.approx(0.0, abs=1e-5)


def test_distillation_loss_is_the_kl_divergence() -> None:
    teacher = torch.tensor([[1.0, 0.0], [0.5, 0.5]])
    first = math.log(2)
    second = 0.5 * math.log(0.5 / 0.75) + 0.5 * math.log(0.5 / 0.25)
    assert distillation_loss(LOGITS, teacher, 1.0).item() == pytest.approx((first + second) / 2)


def test_temperature_keeps_the_gradient_scale() -> None:
    """For small logits the gradient hardly depends on the temperature (Hinton et al. 2015)."""
    gradients = []
    for temperature in (1.0, 8.0):
        logits = (LOGITS / 100).requires_grad_()
        distillation_loss(logits, (-LOGITS / 100 / temperature).softmax(1), temperature).backward()
        assert logits.grad is not None
        gradients.append(logits.grad)
    assert torch.allclose(gradients[0], gradients[1], rtol=0.02)


def test_training_loss_mixes_teacher_and_labels() -> None:
    teacher = torch.tensor([[0.2, 0.8], [0.6, 0.4]])
    batch = Batch(torch.zeros(2, 1, 1, 3), ONEHOT, teacher)
    losses = [
        training_loss(
            LOGITS, batch, small_recipe("mlp", **{"distillation.weight": weight, "distillation.temperature": 2})
        )
        for weight in (0.0, 1.0, 0.25)
    ]
    assert losses[0].item() == pytest.approx(
        classification_loss(LOGITS, ONEHOT, small_recipe("mlp").optimization).item()
    )
    assert losses[1].item() == pytest.approx(distillation_loss(LOGITS, teacher, 2.0).item())
    assert losses[2].item() == pytest.approx(0.75 * losses[0].item() + 0.25 * losses[1].item())


def test_training_loss_without_teacher_is_the_label_loss() -> None:
    batch = Batch(torch.zeros(2, 1, 1, 3), ONEHOT, None)
    config = small_recipe("mlp")
    assert training_loss(LOGITS, batch, config) == classification_loss(LOGITS, ONEHOT, config.optimization)


def test_energy_loss_is_zero_beyond_the_margins() -> None:
    inside = torch.tensor([[9.0, 1.0]])
    outside = torch.tensor([[0.0, 0.0]])
    assert energy_margin_loss(inside, outside).item() == 0
    # Energies of -5 and -7.5: three above -8, and four and a half below -3.
    wrong = energy_margin_loss(torch.tensor([[5.0, -100.0]]), torch.tensor([[7.5, -100.0]]))
    assert wrong.item() == pytest.approx(3.0**2 + 4.5**2)


def test_outliers_affect_only_the_energy_loss() -> None:
    config = small_recipe("mlp")
    batch = Batch(torch.zeros(3, 1, 1, 3), ONEHOT, None)
    outlier = torch.tensor([[7.0, 2.0]])
    loss = training_loss(torch.cat([LOGITS, outlier]), batch, config)
    expected = classification_loss(LOGITS, ONEHOT, config.optimization) + 0.1 * energy_margin_loss(LOGITS, outlier)
    assert loss.item() == pytest.approx(expected.item())
