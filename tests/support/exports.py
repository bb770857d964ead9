"""Graphs of equal networks, exported once in each test process.

The graphs of networks with the same layers are equal: the weights are in weights.safetensors. The export takes two
thirds of the time of a small training. A version is still compared with its network before it is published, so a graph
of another network would be noticed. Tests of the export call it directly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from core.repository.manifest import GRADIENT_GRAPH, GRAPHS
from training.export.gradients import check, export_gradient
from training.export.to_onnx import export_model
from training.export.weights import save_weights
from training.networks import Classifier
from training.publish import publish

_GRAPHS: dict[str, bytes] = {}
"""Graphs by the description of their network."""


@contextmanager
def exported_once() -> Iterator[None]:
    """Publish, and rehearse the export, with the graphs of an equal network that was exported before."""

    def model(classifier: Classifier, folder: Path, *, height: int, width: int) -> None:
        save_weights(classifier, folder)
        write(folder / GRAPHS["fp32"], export_model, classifier, height, width)

    def gradient(classifier: Classifier, folder: Path, *, height: int, width: int) -> None:
        write(folder / GRADIENT_GRAPH, export_gradient, classifier, height, width)

    def write(path: Path, export: Callable[..., None], classifier: Classifier, height: int, width: int) -> None:
        key = f"{path.name} {height} {width} {layers(classifier)}"
        if key in _GRAPHS:
            path.write_bytes(_GRAPHS[key])
        else:
            export(classifier, path.parent, height=height, width=width)
            _GRAPHS[key] = path.read_bytes()

    with pytest.MonkeyPatch.context() as patch:
        for module in (publish, check):
            patch.setattr(module, "export_model", model)
            patch.setattr(module, "export_gradient", gradient)
        yield


def layers(classifier: Classifier) -> str:
    """Describe all that a graph depends on: layers, their settings, and names, shapes and types of the weights."""
    settings = [
        (name, type(module).__name__, key, value)
        for name, module in classifier.named_modules()
        for key, value in sorted(vars(module).items())
        if not key.startswith("_") and not isinstance(value, torch.Generator)  # of dropout, unused in a graph
    ]
    weights = [(name, tuple(tensor.shape), tensor.dtype) for name, tensor in classifier.state_dict().items()]
    return f"{settings} {weights}"
