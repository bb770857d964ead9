"""Activation maximization: images that excite a class or a channel of a network most, found by gradient ascent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from core.records.activations import ClassObjective
from training.analysis.interpret.fourier import FourierImages
from training.analysis.interpret.jitter import jittered
from training.export.gradients.graph import recorded_features
from training.networks import Classifier
from training.networks.layers import ACTIVATIONS

STEPS = 192
RATE = 0.05
CLASS_OBJECTIVE: ClassObjective = "log_odds"
Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Objective:
    """What an image shall excite: class `unit`, or, with a layer, the mean of its channel `unit`.

    Attributes:
        unit: number of the class or channel.
        layer: number of the feature map [N, C, h, w], in the order in which they are made; None for logits.
    """

    unit: int
    layer: int | None = None


def maximize(
    classifier: Classifier,
    objectives: Sequence[Objective],
    *,
    height: int,
    width: int,
    colors_CC: npt.NDArray[np.float32],
    seed: int,
    steps: int = STEPS,
    progress: Callable[[int], None] = lambda step: None,
) -> Pixels:
    """One image for each objective, all of them of the same layer or all of classes; uint8 [S, H, W, 3].

    Args:
        classifier: in evaluation mode, its weights frozen.
        objectives: what each image shall excite.
        height: of the images.
        width: of the images.
        colors_CC: from `color_matrix`.
        seed: of the first images and of the jitter.
        steps: of Adam.
        progress: is told how many steps are done.
    """
    images = FourierImages(len(objectives), height, width, colors_CC, seed)
    random = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(images.parameters(), lr=RATE)
    for step in range(steps):
        optimizer.zero_grad()
        # Each image has an objective of its own and Adam scales each value by itself, so that a sum serves all.
        loss = -raised(classifier, jittered(images(), random), objectives).sum()
        loss.backward()
        optimizer.step()
        progress(step + 1)
    with torch.no_grad():
        return np.asarray(torch.round(images() * 255).to(torch.uint8).numpy())


def raised(classifier: Classifier, pixels_SHWC: Tensor, objectives: Sequence[Objective]) -> Tensor:
    """What the ascent raises in each image, [S]: the mean of a channel over its places, or the log-odds of a class.

    With logits z and p = softmax(z), the log-odds of class k are log(p_k / (1 - p_k)) = z_k - log(sum of exp(z_j) over
    all other j). The bare z_k would be no aim of its own: it rises too with what raises all logits alike, and an image
    that does so may well be taken for another class.
    """
    values_SU, units_S1 = _responses(classifier, pixels_SHWC, objectives)
    own_S1 = values_SU.gather(1, units_S1)
    if objectives[0].layer is None:
        own_S1 = own_S1 - values_SU.scatter(1, units_S1, -torch.inf).logsumexp(dim=1, keepdim=True)
    return own_S1[:, 0]


def excitations(classifier: Classifier, pixels_SHWC: Tensor, objectives: Sequence[Objective]) -> Tensor:
    """How much each image excites what it shall, [S]: a logit, or the mean of a channel over its places."""
    values_SU, units_S1 = _responses(classifier, pixels_SHWC, objectives)
    return values_SU.gather(1, units_S1)[:, 0]


def _responses(classifier: Classifier, pixels_SHWC: Tensor, objectives: Sequence[Objective]) -> tuple[Tensor, Tensor]:
    """All logits, or the means of all channels of the layer, [S, U]; and each image's own among them, [S, 1]."""
    units_S1 = torch.tensor([[objective.unit] for objective in objectives])
    (layer,) = {objective.layer for objective in objectives}
    with recorded_features(classifier) as maps:
        logits_SK = classifier(pixels_SHWC)
    return logits_SK if layer is None else maps[layer].mean(dim=(2, 3)), units_S1


def block_layers(classifier: Classifier, *, height: int, width: int) -> dict[str, int]:
    """The last feature map of each block of convolutions: its number among all, by the name of the block."""
    names = {layer: name for name, layer in classifier.named_modules()}
    ran: list[str] = []

    def record(layer: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if output.dim() == 4:
            ran.append(names[layer])

    layers = [layer for layer in classifier.modules() if isinstance(layer, tuple(ACTIVATIONS.values()))]
    hooks = [layer.register_forward_hook(record) for layer in layers]
    try:
        with torch.no_grad():
            classifier(torch.zeros(1, height, width, 3))
    finally:
        for hook in hooks:
            hook.remove()
    blocks: dict[str, int] = {}
    for number, name in enumerate(ran):
        _, separator, rest = name.partition("blocks.")
        if separator:
            blocks[f"block {int(rest.split('.')[0]) + 1}"] = number
    return blocks


def liveliest_channels(classifier: Classifier, pixels_NHWC: Tensor, layer: int, count: int) -> list[int]:
    """The channels of a feature map whose mean varies most from image to image, ascending."""
    with torch.no_grad(), recorded_features(classifier) as maps:
        classifier(pixels_NHWC)
    spread_C = maps[layer].mean(dim=(2, 3)).std(dim=0)
    return sorted(spread_C.argsort(descending=True, stable=True)[:count].tolist())
