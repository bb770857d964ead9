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
from training.analysis.interpret.methods import feature_layers
from training.data.preprocessing import scale_pixels
from training.export.gradients.graph import recorded_features
from training.networks import Classifier

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
_SPREAD = 0.05
"""Standard deviation of the initial spectrum; the image is nearly gray."""
_CONTRAST = 1.2
"""Maximum standard deviation of an image before the sigmoid, close to that of photographs. Without it, values saturate
at black and white."""
_RIDGE = 1e-4
"""Added to the variance of each color component."""


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
    blocks: dict[str, int] = {}
    for number, (name, _) in enumerate(feature_layers(classifier, torch.zeros(1, height, width, 3))):
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


def color_matrix(images_NHWC: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Symmetric square root of the color covariance, scaled to a maximum column norm of 1; float32 [3, 3].

    Multiplied with it, independent values get the correlations of the image colors.
    """
    colors_PC = scale_pixels(images_NHWC).reshape(-1, 3).astype(np.float64)
    variances_C, axes_CC = np.linalg.eigh(np.cov(colors_PC.T) + _RIDGE * np.eye(3))
    root_CC = (axes_CC * np.sqrt(variances_C)) @ axes_CC.T
    return np.asarray(root_CC / np.linalg.norm(root_CC, axis=0).max(), np.float32)


class FourierImages(nn.Module):
    """S images with their spectra as parameters, rendered as pixels float32 [S, H, W, 3] in (0, 1).

    Olah, Mordvintsev and Schubert 2017, "Feature visualization". A gradient step in this space changes all spatial
    scales equally and follows the color covariance of the training images, so that the ascent does not end in noise.
    """

    scale: Tensor
    colors: Tensor

    def __init__(self, images: int, height: int, width: int, colors_CC: npt.NDArray[np.float32], seed: int) -> None:
        """Start with nearly gray images.

        Args:
            images: number of images S.
            height: height in pixels.
            width: width in pixels.
            colors_CC: color matrix from `color_matrix`.
            seed: seed of the initial noise.
        """
        super().__init__()
        self.size = (height, width)
        down, right = torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)[None]
        # The spectrum of natural images falls as 1 / frequency; the mean uses the lowest frequency.
        self.register_buffer("scale", 1 / torch.sqrt(down**2 + right**2).clamp(min=1 / max(height, width)))
        self.register_buffer("colors", torch.from_numpy(colors_CC))
        random = torch.Generator().manual_seed(seed)
        shape = (images, 3, height, width // 2 + 1, 2)
        self.spectrum = nn.Parameter(_SPREAD * torch.randn(shape, generator=random))

    def forward(self) -> Tensor:
        """Render the images."""
        waves = torch.view_as_complex(self.spectrum) * self.scale
        planes_SCHW = torch.fft.irfft2(waves, s=self.size, norm="ortho")
        spread_S = planes_SCHW.std(dim=(1, 2, 3), keepdim=True)
        planes_SCHW = planes_SCHW / (spread_S / _CONTRAST).clamp(min=1)
        return torch.sigmoid(torch.einsum("schw,cd->shwd", planes_SCHW, self.colors))
