"""A 3x3 convolution whose weights' gradient is computed faster for small feature maps.

oneDNN vectorizes that gradient along rows, and wastes most of its work where a row has 3 or 7 pixels. So the images of
a batch are put side by side, a column of zeros between them, and make few wide pictures of many narrow ones. The sum is
the same one. Measured with bfloat16 on a core with AMX, batches of 500, in ms for the gradient of the weights:

| map, channels | one by one | ten side by side |
|---|---|---|
| 3x3, 256 to 256 | 54 | 11 |
| 7x7, 256 to 256 | 87 | 43 |
| 7x7, 320 to 384 | 171 | 81 |
| 15x15, 64 to 256 | 43 | 81 |
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

_WIDEST = 8
"""In pixels: maps no wider than this are put side by side."""
_NEIGHBORS = 10


class Convolution(nn.Conv2d):
    """3x3, padded to keep the size, without a bias: `nn.Conv2d` with another way to its weights' gradient."""

    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__(channels_in, channels, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[N, channels_in, H, W] -> [N, channels, H, W]."""
        reduced = torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") == torch.bfloat16
        if self.training and reduced and x.device.type == "cpu" and x.shape[3] <= _WIDEST:
            return convolved(x.bfloat16(), self.weight.bfloat16())
        return super().forward(x)


def convolved(x: Tensor, weight: Tensor) -> Tensor:
    """`functional.conv2d(x, weight, padding=1)` with the gradient for 3x3 weights taken over images side by side."""
    output: Tensor = _SideBySide.apply(x, weight)
    return output


class _SideBySide(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return functional.conv2d(x, weight, padding=1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        (gradient,) = gradients
        of_x = _gradients(gradient, x, weight, [True, False, False])[0] if ctx.needs_input_grad[0] else None
        neighbors = _neighbors(len(x))
        of_weight = _gradients(
            side_by_side(gradient, neighbors), side_by_side(x, neighbors), weight, [False, True, False]
        )[1]
        return of_x, of_weight


def side_by_side(images_NCHW: Tensor, neighbors: int) -> Tensor:
    """[N, C, H, W] -> [N / neighbors, C, H, neighbors * (W + 1)], channels last, zeros after each image's columns."""
    N, C, H, W = images_NCHW.shape
    rows = images_NCHW.new_zeros(N // neighbors, H, neighbors, W + 1, C)
    rows[:, :, :, :W] = images_NCHW.permute(0, 2, 3, 1).reshape(-1, neighbors, H, W, C).permute(0, 2, 1, 3, 4)
    return rows.reshape(N // neighbors, H, neighbors * (W + 1), C).permute(0, 3, 1, 2)


def _neighbors(count: int) -> int:
    """The largest divisor of `count` that is no larger than it should be."""
    return next(number for number in range(_NEIGHBORS, 0, -1) if count % number == 0)


def _gradients(gradient: Tensor, x: Tensor, weight: Tensor, wanted: list[bool]) -> tuple[Tensor | None, ...]:
    answers: tuple[Tensor | None, ...] = torch.ops.aten.convolution_backward(
        gradient, x, weight, None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1, wanted
    )
    return answers
