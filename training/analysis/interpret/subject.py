"""Network, images and classes for the evaluation of attribution methods."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch

from training.analysis.interpret.controls import center_map
from training.analysis.interpret.removal import Probability, blurred, removal_curves
from training.networks import Classifier

Pixels = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Subject:
    """A network with the images and classes to explain.

    Attributes:
        pixels_NHWC: images in [0, 1].
        target_N: explained class of each image.
        few: indices of the images for sensitivity and randomization.
        color_C: color of deleted pixels.
    """

    classifier: Classifier
    pixels_NHWC: Pixels
    target_N: Labels
    few: Labels
    color_C: tuple[float, ...]
    temperature: float

    def probability(self, chosen: npt.NDArray[np.bool_]) -> Probability:
        """Return a function that computes the target probability of changed versions of the chosen images."""
        target_N = torch.from_numpy(self.target_N[chosen])

        def of_target(pixels_NHWC: Pixels) -> Doubles:
            with torch.no_grad():
                logits_NK = self.classifier(torch.from_numpy(pixels_NHWC)).double()
            shares_NK = torch.softmax(logits_NK / self.temperature, dim=1)
            return np.asarray(shares_NK.gather(1, target_N[:, None])[:, 0].numpy())

        return of_target

    @cached_property
    def centered(self) -> tuple[Doubles, Doubles]:
        """Curves of deletion and insertion in the order of `center_map`, each float64 [N, steps + 1]."""
        images, height, width, _ = self.pixels_NHWC.shape
        maps_NHW = np.broadcast_to(center_map(height, width), (images, height, width))
        probability = self.probability(np.ones(images, np.bool_))
        deletion_NS, insertion_NS = (
            removal_curves(probability, *part, [maps_NHW])[0] for part in (self.deletion, self.insertion)
        )
        return deletion_NS, insertion_NS

    @property
    def deletion(self) -> tuple[Pixels, Pixels]:
        """Start and end images of deletion: the images, and a uniform color."""
        return self.pixels_NHWC, np.full_like(self.pixels_NHWC, self.color_C)

    @cached_property
    def insertion(self) -> tuple[Pixels, Pixels]:
        """Start and end images of insertion: blurred images, and the images."""
        return blurred(self.pixels_NHWC), self.pixels_NHWC
