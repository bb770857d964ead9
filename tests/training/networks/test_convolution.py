import pytest
import torch
from torch import Tensor, nn

from training.networks.convolution import Convolution, conv2d_side_by_side, side_by_side


def draw(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_side_by_side_separates_images_by_zeros() -> None:
    images = torch.arange(1.0, 49.0).reshape(4, 2, 3, 2)
    rows = side_by_side(images, 2)
    assert rows.shape == (2, 2, 3, 6)
    for number in range(4):
        picture, place = divmod(number, 2)
        assert torch.equal(rows[picture, :, :, 3 * place : 3 * place + 2], images[number])
    assert torch.equal(rows[..., 2::3], torch.zeros(2, 2, 3, 2))


@pytest.mark.parametrize("count", [1, 7, 12, 20])
@pytest.mark.parametrize("size", [(3, 3), (7, 7), (5, 2), (1, 1)])
def test_side_by_side_gradients_match_conv2d(count: int, size: tuple[int, int]) -> None:
    x = torch.randn(count, 4, *size, generator=draw(), dtype=torch.float64).requires_grad_()
    weight = torch.randn(6, 4, 3, 3, generator=draw(1), dtype=torch.float64).requires_grad_()
    target = torch.randn(count, 6, *size, generator=draw(2), dtype=torch.float64)
    ours, theirs = conv2d_side_by_side(x, weight), nn.functional.conv2d(x, weight, padding=1)
    assert torch.equal(ours, theirs)
    for mine, exact in zip(
        torch.autograd.grad(ours, [x, weight], target), torch.autograd.grad(theirs, [x, weight], target), strict=True
    ):
        assert torch.allclose(mine, exact)


def gradients(layer: nn.Conv2d, x: Tensor) -> tuple[Tensor, Tensor]:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs = layer(x)
    target = torch.randn(outputs.shape, generator=draw(2)).bfloat16()
    grad_x, grad_weight = torch.autograd.grad(outputs, [x, layer.weight], target)
    assert outputs.dtype == torch.bfloat16
    assert grad_weight.dtype == torch.float32
    return grad_x, grad_weight


@pytest.mark.parametrize("side", [7, 12])
def test_convolution_layer_matches_conv2d_in_training(side: int) -> None:
    ours, theirs = Convolution(8, 8).train(), nn.Conv2d(8, 8, 3, padding=1, bias=False).train()
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(20, 8, side, side, generator=draw()).requires_grad_()
    for mine, exact in zip(gradients(ours, x), gradients(theirs, x), strict=True):
        assert float((mine - exact).norm() / exact.norm()) < 0.01  # bfloat16
    assert torch.equal(ours.eval()(x), theirs(x))


def test_frozen_input_gets_no_gradient() -> None:
    weight = torch.randn(6, 4, 3, 3, generator=draw()).requires_grad_()
    conv2d_side_by_side(torch.randn(2, 4, 5, 5, generator=draw()), weight).sum().backward()
    assert weight.grad is not None
