"""Activation maximization: gradient ascent on images that maximize a class or a channel of a network.

Random shifts, rotations, scalings and mirroring in each step keep the images from overfitting to single pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from core.records.explanations import ClassObjective
from training.analysis.interpret.fourier import FourierImages
from training.export.gradients.graph import recorded_features
from training.networks import Classifier
from training.networks.layers import ACTIVATIONS

STEPS = 192
RATE = 0.05
"""Learning rate of Adam."""
SHIFT = 2.0
"""Maximum shift in pixels."""
TURN = 5.0
"""Maximum rotation in degrees."""
ZOOM = 0.05
"""Maximum change of scale."""
CLASS_OBJECTIVE: ClassObjective = "log_odds"
Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Objective:
    """Maximization target: class `unit`, or the mean of channel `unit` of a layer.

    Attributes:
        unit: number of the class or channel.
        layer: index of the feature map [N, C, h, w] in execution order; None for logits.
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
    """Maximize one image for each objective; uint8 [S, H, W, 3].

    Args:
        classifier: network in evaluation mode with frozen weights.
        objectives: target of each image; all of one layer, or all classes.
        height: image height.
        width: image width.
        colors_CC: color matrix from `color_matrix`.
        seed: seed of the initial images and of the random transforms.
        steps: number of Adam steps.
        progress: called with the number of finished steps.
    """
    images = FourierImages(len(objectives), height, width, colors_CC, seed)
    random = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(images.parameters(), lr=RATE)
    for step in range(steps):
        optimizer.zero_grad()
        # The sum optimizes each image independently, because Adam scales each value separately.
        loss = -objective_values(classifier, jittered(images(), random), objectives).sum()
        loss.backward()
        optimizer.step()
        progress(step + 1)
    with torch.no_grad():
        return np.asarray(torch.round(images() * 255).to(torch.uint8).numpy())


def objective_values(classifier: Classifier, pixels_SHWC: Tensor, objectives: Sequence[Objective]) -> Tensor:
    """Objective of each image, [S]: the spatial mean of a channel, or the log-odds of a class.

    With logits z and p = softmax(z), the log-odds of class k are log(p_k / (1 - p_k)) = z_k - log(sum of exp(z_j) over
    all other j). The logit z_k alone also grows if all logits grow, so that its image may be classified differently.
    """
    values_SU, units_S1 = _responses(classifier, pixels_SHWC, objectives)
    own_S1 = values_SU.gather(1, units_S1)
    if objectives[0].layer is None:
        own_S1 = own_S1 - values_SU.scatter(1, units_S1, -torch.inf).logsumexp(dim=1, keepdim=True)
    return own_S1[:, 0]


def excitations(classifier: Classifier, pixels_SHWC: Tensor, objectives: Sequence[Objective]) -> Tensor:
    """Activation of the target of each image, [S]: a logit, or the spatial mean of a channel."""
    values_SU, units_S1 = _responses(classifier, pixels_SHWC, objectives)
    return values_SU.gather(1, units_S1)[:, 0]


def _responses(classifier: Classifier, pixels_SHWC: Tensor, objectives: Sequence[Objective]) -> tuple[Tensor, Tensor]:
    """Logits, or spatial means of all channels of the layer, [S, U]; and the target unit of each image, [S, 1]."""
    units_S1 = torch.tensor([[objective.unit] for objective in objectives])
    (layer,) = {objective.layer for objective in objectives}
    with recorded_features(classifier) as maps:
        logits_SK = classifier(pixels_SHWC)
    return logits_SK if layer is None else maps[layer].mean(dim=(2, 3)), units_S1


def jittered(pixels_SHWC: Tensor, random: torch.Generator) -> Tensor:
    """Shift, rotate and scale each image randomly, and mirror it with probability 0.5. Differentiable.

    Args:
        pixels_SHWC: float [S, H, W, 3].
        random: random number generator.

    Returns:
        Float [S, H, W, 3].
    """
    images, height, width, _ = pixels_SHWC.shape
    limits = (math.radians(TURN), ZOOM, 2 * SHIFT / width, 2 * SHIFT / height)
    angle, zoom, right, down = (limit * (2 * torch.rand(images, generator=random) - 1) for limit in limits)
    mirror = torch.where(torch.rand(images, generator=random) < 0.5, -1.0, 1.0)
    cos, sin = (1 + zoom) * torch.cos(angle), (1 + zoom) * torch.sin(angle)
    rows = [torch.stack([mirror * cos, -sin, right], dim=1), torch.stack([mirror * sin, cos, down], dim=1)]
    grid = torch.nn.functional.affine_grid(torch.stack(rows, dim=1), [images, 3, height, width], align_corners=False)
    transformed = torch.nn.functional.grid_sample(
        pixels_SHWC.permute(0, 3, 1, 2), grid, mode="bilinear", padding_mode="reflection", align_corners=False
    )
    return transformed.permute(0, 2, 3, 1)


def block_layers(classifier: Classifier, *, height: int, width: int) -> dict[str, int]:
    """Index of the last feature map of each block of convolutions, by block name."""
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


def most_variable_channels(classifier: Classifier, pixels_NHWC: Tensor, layer: int, count: int) -> list[int]:
    """Channels of a feature map with the highest standard deviation of their mean over the images, ascending."""
    with torch.no_grad(), recorded_features(classifier) as maps:
        classifier(pixels_NHWC)
    spread_C = maps[layer].mean(dim=(2, 3)).std(dim=0)
    return sorted(spread_C.argsort(descending=True, stable=True)[:count].tolist())
