"""ONNX rules for backward operators: decompositions and translations of ATen operators that ONNX lacks.

ATen's own decompositions cover most of a backward pass. The rules here add convolution and max-pooling, and a form of
ReLU that onnxruntime runs faster (1.3 times for one image, 2.5 times for 32).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from onnxscript import opset18 as op
from torch import Tensor

from core.errors import ExportError

aten = torch.ops.aten


def decompositions() -> dict[Any, Callable[..., Any]]:
    """Decomposition table for tracing a backward pass: ATen operator -> function of simpler operators."""
    table: dict[Any, Callable[..., Any]] = dict(torch._decomp.core_aten_decompositions())
    table[aten.convolution_backward.default] = _convolution_backward
    table[aten.threshold_backward.default] = _relu_backward
    table[aten.max_pool2d_with_indices_backward.default] = _keep_disjoint_pooling
    return table


def translations() -> Mapping[Callable[..., Any], Callable[..., Any]]:
    """Custom translation table: ATen operator -> function that builds ONNX nodes.

    Both entries must be used together. torch counts the index of a maximum within its plane, ONNX within the whole
    tensor; this is correct because the indices only pass from one operator to the other.
    """
    return {
        aten.max_pool2d_with_indices.default: _max_pool,
        aten.max_pool2d_with_indices_backward.default: _max_unpool,
    }


def _convolution_backward(
    gradient: Tensor,
    x: Tensor,
    weight: Tensor,
    _bias_sizes: Sequence[int] | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    _transposed: bool,
    _output_padding: Sequence[int],
    groups: int,
    _output_mask: Sequence[bool],
) -> tuple[Tensor, None, None]:
    """Gradient with respect to the input of a convolution only, because weights are constants here.

    With stride 1 it is a convolution with weights rotated by 180 degrees and swapped channels, for which onnxruntime
    has fast kernels; the rotation is folded when the graph is loaded. Otherwise it is a transposed convolution with
    output padding for the rows and columns skipped by the stride.
    """
    if groups == 1 and all(step == 1 for step in stride):
        reach = [d * (k - 1) - p for d, k, p in zip(dilation, weight.shape[2:], padding, strict=True)]
        rotated = weight.transpose(0, 1).flip(2, 3)
        return aten.convolution(gradient, rotated, None, [1, 1], reach, dilation, False, [0, 0], 1), None, None
    skipped = [
        size - ((out - 1) * s - 2 * p + d * (k - 1) + 1)
        for size, out, s, p, d, k in zip(
            x.shape[2:], gradient.shape[2:], stride, padding, dilation, weight.shape[2:], strict=True
        )
    ]
    return aten.convolution(gradient, weight, None, stride, padding, dilation, True, skipped, groups), None, None


def _relu_backward(gradient: Tensor, output: Tensor, threshold: float) -> Tensor:
    return gradient * (output > threshold).to(gradient.dtype)


def _keep_disjoint_pooling(
    _gradient: Tensor,
    _x: Tensor,
    kernel_size: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    ceil_mode: bool,
    _indices: Tensor,
) -> Any:
    """Keep the operator for `_max_unpool`, which requires windows that do not overlap."""
    if list(stride) != list(kernel_size) or any(padding) or any(step != 1 for step in dilation) or ceil_mode:
        raise ExportError(
            f"gradient.onnx supports only max-pooling with stride equal to the window and no padding; this network has "
            f"windows of {kernel_size}, strides {stride}, padding {padding}, dilation {dilation}, ceil_mode {ceil_mode}"
        )
    return NotImplemented


def _max_pool(x: Any, kernel_size: Sequence[int], stride: Sequence[int] = (), *_defaults: Any) -> Any:
    return op.MaxPool(x, kernel_shape=list(kernel_size), strides=list(stride or kernel_size))


def _max_unpool(gradient: Any, x: Any, kernel_size: Sequence[int], stride: Sequence[int], *_options: Any) -> Any:
    # The last argument of the ATen operator contains the indices of the maxima.
    return op.MaxUnpool(gradient, _options[-1], op.Shape(x), kernel_shape=list(kernel_size), strides=list(stride))
