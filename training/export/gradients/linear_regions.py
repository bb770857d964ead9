"""Which linear piece of a network of ReLU and max-pooling an image lies on: read from a graph, imposed on a network."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import torch
from torch import Tensor, nn

from core.errors import ExportError
from core.repository.onnx_session import open_session

Piece = list[npt.NDArray[np.float32]]
"""What each ReLU gives and each max-pooling takes, in the order in which they run."""

_ROUNDING = 1e-5
"""Share of a layer's largest value that the rounding of float32, summed over the layers before, may come to."""


class PieceProbe:
    """A copy of gradient.onnx that also answers on which piece it ran."""

    def __init__(self, path: Path, *, threads: int) -> None:
        graph = onnx.load(path)
        self._values = [
            node.output[0] if node.op_type == "Relu" else node.input[0]
            for node in graph.graph.node
            if node.op_type in ("Relu", "MaxPool")
        ]
        known = {output.name for output in graph.graph.output}
        graph.graph.output.extend(
            onnx.helper.make_empty_tensor_value_info(name) for name in dict.fromkeys(self._values) if name not in known
        )
        with tempfile.TemporaryDirectory() as folder:
            onnx.save(graph, Path(folder, path.name))
            self._session = open_session(Path(folder, path.name), threads=threads)
        self._outputs = [output.name for output in graph.graph.output]

    def piece(self, pixels_NHWC: npt.NDArray[np.float32], target_NK: npt.NDArray[np.float32]) -> Piece:
        """The piece of each of these images."""
        answers = self._session.run(self._outputs, {"pixels": pixels_NHWC, "target": target_NK})
        by_name = dict(zip(self._outputs, answers, strict=True))
        return [by_name[name] for name in self._values]


@contextlib.contextmanager
def following(network: nn.Module, piece: Piece) -> Iterator[list[Tensor]]:
    """Let `network` run on `piece` instead of the one its own arithmetic would choose.

    Yields a list that its one forward pass fills with a bool [N] per layer: whether the layer, for that image, lies
    within float32's rounding of a border wherever `piece` differs from its own choice.

    Raises:
        ExportError: the network has another number of such layers.
    """
    near: list[Tensor] = []

    def follow(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        if len(near) == len(piece):
            raise ExportError(f"the network has more than the {len(piece)} ReLU and max-pooling of gradient.onnx")
        followed = _follow(layer, inputs[0], torch.from_numpy(piece[len(near)]))
        bridged_N = (followed - output).abs().flatten(1).amax(1)
        near.append(bridged_N <= _ROUNDING * inputs[0].abs().flatten(1).amax(1))
        return followed

    layers = [layer for layer in network.modules() if isinstance(layer, nn.ReLU | nn.MaxPool2d)]
    hooks = [layer.register_forward_hook(follow) for layer in layers]
    try:
        yield near
        if len(near) != len(piece):
            raise ExportError(f"gradient.onnx has {len(piece)} ReLU and max-pooling, the network {len(near)}")
    finally:
        for hook in hooks:
            hook.remove()


def _follow(layer: nn.Module, x: Tensor, chosen: Tensor) -> Tensor:
    """What `layer` gives for `x` if it passes what it passed for `chosen`."""
    if isinstance(layer, nn.MaxPool2d):
        pooled, winners = nn.functional.max_pool2d(chosen, layer.kernel_size, layer.stride, return_indices=True)
        return x.flatten(2).gather(2, winners.flatten(2)).view_as(pooled)
    return x * (chosen > 0)
