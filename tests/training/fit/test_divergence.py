import math

import pytest
import torch
from torch import nn

from core.errors import TrainingDivergedError
from training.fit.divergence import require_finite, require_finite_weights

BROKEN = [math.nan, math.inf, -math.inf]


def network() -> nn.Sequential:
    """Two weights, two biases and the buffers of batch normalization, including its integer batch counter."""
    return nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))


@pytest.mark.parametrize("value", BROKEN)
@pytest.mark.parametrize("name", ["0.weight", "0.bias", "1.running_mean", "1.running_var"])
def test_one_nonfinite_weight_or_buffer_is_found(name: str, value: float) -> None:
    broken = network()
    require_finite_weights(broken, epoch=3)
    broken.state_dict()[name].view(-1)[1] = value
    with pytest.raises(TrainingDivergedError, match=r"weights.*end of epoch 4; the checkpoint of epoch 3 is kept"):
        require_finite_weights(broken, epoch=3)


def test_infinities_of_both_signs_do_not_cancel() -> None:
    broken = network()
    broken.state_dict()["0.bias"][:] = torch.tensor([math.inf, -math.inf])
    with pytest.raises(TrainingDivergedError) as raised:
        require_finite_weights(broken, epoch=0)
    assert "checkpoint" not in str(raised.value)


@pytest.mark.parametrize("value", BROKEN)
def test_nonfinite_losses_and_logits_are_found(value: float) -> None:
    require_finite(2.5, "the loss", epoch=1, step=2)
    require_finite(torch.zeros(2, 3), "the logits", epoch=1)
    with pytest.raises(TrainingDivergedError, match=r"loss.*in step 3 of epoch 2; the checkpoint of epoch 1 is kept"):
        require_finite(value, "the loss", epoch=1, step=2)
    with pytest.raises(TrainingDivergedError, match=r"logits.*end of epoch 2"):
        require_finite(torch.tensor([[0.0, value]]), "the logits", epoch=1)
