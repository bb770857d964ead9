"""Linear regions of a network of ReLU, ReLU6 and max-pooling: read from an ONNX graph, imposed on a torch network."""

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

Region = list[npt.NDArray[np.float32]]
"""Output of each ReLU or ReLU6 and input of each max-pooling, in order of execution; they identify the region."""

_ROUNDING = 1e-5
"""Maximum accumulated float32 rounding error, relative to the largest value of a layer."""


class RegionProbe:
    """Copy of gradient.onnx with additional outputs that identify the linear region."""

    def __init__(self, path: Path, *, threads: int) -> None:
        graph = onnx.load(path)
        self._values = [
            node.input[0] if node.op_type == "MaxPool" else node.output[0]
            for node in graph.graph.node
            if node.op_type in ("Relu", "Clip", "MaxPool")
        ]
        known = {output.name for output in graph.graph.output}
        graph.graph.output.extend(
            onnx.helper.make_empty_tensor_value_info(name) for name in dict.fromkeys(self._values) if name not in known
        )
        with tempfile.TemporaryDirectory() as folder:
            onnx.save(graph, Path(folder, path.name))
            self._session = open_session(Path(folder, path.name), threads=threads)
        self._outputs = [output.name for output in graph.graph.output]

    def region(self, pixels_NHWC: npt.NDArray[np.float32], target_NK: npt.NDArray[np.float32]) -> Region:
        """The linear region of each image."""
        outputs = self._session.run(self._outputs, {"pixels": pixels_NHWC, "target": target_NK})
        by_name = dict(zip(self._outputs, outputs, strict=True))
        return [by_name[name] for name in self._values]


@contextlib.contextmanager
def impose_region(network: nn.Module, region: Region) -> Iterator[list[Tensor]]:
    """Make `network` compute in `region` instead of the region of its own activations, for one forward pass.

    Yields a list that the forward pass fills with a bool [N] per layer: True if the layer's own choice differs from
    `region` by no more than float32 rounding.

    Raises:
        ExportError: the number of ReLU and max-pooling layers differs.
    """
    near: list[Tensor] = []

    def follow(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        if len(near) == len(region):
            raise ExportError(f"the network has more than the {len(region)} ReLU and max-pooling of gradient.onnx")
        followed = _follow(layer, inputs[0], torch.from_numpy(region[len(near)]))
        bridged_N = (followed - output).abs().flatten(1).amax(1)
        near.append(bridged_N <= _ROUNDING * inputs[0].abs().flatten(1).amax(1))
        return followed

    layers = [layer for layer in network.modules() if isinstance(layer, nn.ReLU | nn.ReLU6 | nn.MaxPool2d)]
    hooks = [layer.register_forward_hook(follow) for layer in layers]
    try:
        yield near
        if len(near) != len(region):
            raise ExportError(f"gradient.onnx has {len(region)} ReLU and max-pooling, the network {len(near)}")
    finally:
        for hook in hooks:
            hook.remove()


def _follow(layer: nn.Module, x: Tensor, chosen: Tensor) -> Tensor:
    """Output of `layer` for `x` with the active units, or the winners of max-pooling, of `chosen`."""
    if isinstance(layer, nn.MaxPool2d):
        pooled, winners = nn.functional.max_pool2d(chosen, layer.kernel_size, layer.stride, return_indices=True)
        return x.flatten(2).gather(2, winners.flatten(2)).view_as(pooled)
    if isinstance(layer, nn.ReLU6):
        return torch.where(chosen < 6, x * (chosen > 0), 6.0)
    return x * (chosen > 0)
