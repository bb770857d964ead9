"""Small networks with nontrivial weights, their exported graphs and expected outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from core.recipes import CNNNetwork, MLPNetwork
from core.repository.manifest import GRADIENT_GRAPH
from core.repository.onnx_session import open_session
from training.export.gradients import export_gradient
from training.export.to_onnx import export_model
from training.export.weights import save_weights
from training.networks import Classifier, build_classifier, initialize

HEIGHT, WIDTH, CLASSES = 16, 20, 7
MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.3, 0.4)

Array = npt.NDArray[Any]


def small_network(kind: str, *, activation: Any = "relu", seed: int = 0) -> Classifier:
    """Initialize random weights and nontrivial batch normalization statistics."""
    configs: dict[str, MLPNetwork | CNNNetwork] = {
        "mlp": MLPNetwork(hidden=(48, 24), activation=activation, dropout=0.2),
        "residual mlp": MLPNetwork(hidden=(24,), blocks=2, activation=activation, dropout=0.2),
        "cnn": CNNNetwork(channels=(8, 16), convolutions=2, hidden=(24,), activation=activation, dropout=0.2),
        "whitened cnn": CNNNetwork(
            design="whitened", channels=(24, 24), convolutions=3, residual=True, hidden=(), activation=activation
        ),
    }
    config = configs[kind]
    classifier = build_classifier(config, height=HEIGHT, width=WIDTH, classes=CLASSES, mean=MEAN, std=STD)
    return shaken(classifier, seed)


def around(*layers: nn.Module, seed: int = 0) -> Classifier:
    """A classifier from layers that take [N, 3, 16, 20]."""
    network = nn.Sequential(*layers)
    return shaken(Classifier(network, MEAN, STD).to(memory_format=torch.channels_last), seed)


def shaken(classifier: Classifier, seed: int) -> Classifier:
    """Initialize the network with nonzero biases and nontrivial batch normalization statistics."""
    draw = torch.Generator().manual_seed(seed)
    initialize(classifier, draw)
    for module in classifier.modules():
        if isinstance(module, nn.Linear | nn.Conv2d) and module.bias is not None:
            nn.init.normal_(module.bias, std=0.1, generator=draw)
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            if module.weight.requires_grad:
                nn.init.uniform_(module.weight, 0.5, 1.5, generator=draw)
            nn.init.normal_(module.bias, generator=draw)
            nn.init.normal_(module.running_mean, generator=draw)
            nn.init.uniform_(module.running_var, 0.5, 2.0, generator=draw)
    return classifier.eval()


def export_both(classifier: Classifier, folder: Path) -> Path:
    export_model(classifier, folder, height=HEIGHT, width=WIDTH)
    export_gradient(classifier, folder, height=HEIGHT, width=WIDTH)
    return folder


def export_gradient_alone(classifier: Classifier, folder: Path) -> None:
    save_weights(classifier, folder)
    export_gradient(classifier, folder, height=HEIGHT, width=WIDTH)


def some_images(count: int, *, seed: int = 0) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, HEIGHT, WIDTH, 3), dtype=np.uint8)


def some_pixels(count: int, *, seed: int = 0) -> npt.NDArray[np.float32]:
    """Values between the uint8 steps, as in SmoothGrad and integrated gradients."""
    return np.random.default_rng(seed).random((count, HEIGHT, WIDTH, 3), dtype=np.float32)


def some_targets(count: int, *, seed: int = 1) -> npt.NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((count, CLASSES), dtype=np.float32)


def run(folder: Path, pixels_NHWC: Array, target_NK: Array) -> dict[str, Array]:
    session = open_session(folder / GRADIENT_GRAPH, threads=1)
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"pixels": pixels_NHWC, "target": target_NK}), strict=True))


def exact_logits(classifier: Classifier, pixels_NHWC: torch.Tensor) -> torch.Tensor:
    """Logits of the network in float64."""
    state = {name: tensor.double() for name, tensor in classifier.state_dict().items()}
    logits_NK: torch.Tensor = torch.func.functional_call(classifier, state, (pixels_NHWC,))
    return logits_NK


def exact_gradient(classifier: Classifier, pixels_NHWC: Array, target_NK: Array) -> Array:
    """Autograd in float64."""
    pixels = torch.tensor(pixels_NHWC, dtype=torch.float64, requires_grad=True)
    (exact_logits(classifier, pixels) * torch.tensor(target_NK)).sum().backward()
    assert pixels.grad is not None
    return pixels.grad.numpy()


def relative_errors(answer: Array, exact: Array) -> Array:
    """||output - exact|| / ||exact|| per image."""
    axes = tuple(range(1, exact.ndim))
    return np.asarray(np.sqrt(((answer - exact) ** 2).sum(axes) / (exact**2).sum(axes)))
