"""Check of an execution provider: its predictions of fixed images, compared with those of the `cpu` provider.

The limits are for one graph run by two providers. The loss of int8 compared with fp32 is evaluated when a version is
published.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
from PIL import Image

from core.images.geometry import ModelInput, fit_image
from core.repository.manifest import Precision
from core.statistics.calibration import softmax
from service.engine.arrays import Pixels, RunModel

CHECK_IMAGES = 64
_SHIFTS = ((0, 0), (2, 1), (-1, 3), (3, -2))
"""Shifts down and to the right, in pixels; each is applied to the images and to their mirror images."""

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Limits:
    """Limits of the differences from the `cpu` provider.

    Attributes:
        equal_classes: minimum share of the images with the same most probable class.
        max_difference: maximum difference of a probability.
    """

    equal_classes: float
    max_difference: float


LIMITS: Mapping[Precision, Limits] = MappingProxyType(
    {"fp32": Limits(1.0, 1e-4), "bf16": Limits(0.96, 0.05), "int8": Limits(0.96, 0.1)}
)
"""The versions that ship differ by at most 0.02 in bf16 and 0.04 in int8. In OpenVINO's fp32, which uses Winograd
convolutions, a cnn differs by 0.37."""


@dataclass(frozen=True)
class Agreement:
    """Agreement of two providers on the check images.

    Attributes:
        equal_classes: share of the images with the same most probable class.
        max_difference: largest difference of a probability.
    """

    equal_classes: float
    max_difference: float

    def problem(self, precision: Precision) -> str | None:
        """Return a description of the exceeded limits, or None."""
        limits, problems = LIMITS[precision], []
        if not self.equal_classes >= limits.equal_classes:
            problems.append(f"{self.equal_classes:.1%} of the classes are equal, not {limits.equal_classes:.0%}")
        if not self.max_difference <= limits.max_difference:  # also true for NaN
            problems.append(f"a probability differs by {self.max_difference:.2g}, above {limits.max_difference:g}")
        return " and ".join(problems) or None


def check_images(samples: Sequence[Pixels], model_input: ModelInput) -> Pixels:
    """Return the check images, uint8 [64, height, width, 3]: the samples, mirrored and shifted.

    Args:
        samples: at least one image, uint8 [h, w, 3].
        model_input: size of the model input.
    """
    height, width, geometry = model_input
    fitted = [
        fit_image(Image.fromarray(sample_HWC), height=height, width=width, geometry=geometry) for sample_HWC in samples
    ]
    images_NHWC = np.stack(fitted)
    made = [
        np.roll(mirrored_NHWC, shift, axis=(1, 2))
        for shift in _SHIFTS
        for mirrored_NHWC in (images_NHWC, images_NHWC[:, :, ::-1])
    ]
    return np.ascontiguousarray(np.resize(np.concatenate(made), (CHECK_IMAGES, height, width, 3)))


def probabilities_of(run: RunModel, images_NHWC: Pixels, *, batch: int, temperature: float) -> Doubles:
    """Return probabilities float64 [N, K] of images uint8 [N, H, W, 3], run in batches of `batch` with padding."""
    logits = []
    for start in range(0, len(images_NHWC), batch):
        part_NHWC = images_NHWC[start : start + batch]
        # Padding avoids another batch size, for which some providers would compile the graph.
        full_NHWC = np.resize(part_NHWC, (batch, *part_NHWC.shape[1:]))
        logits.append(run(full_NHWC)[: len(part_NHWC)])
    return softmax(np.concatenate(logits), temperature)


def agreement(probabilities_NK: Doubles, reference_NK: Doubles) -> Agreement:
    """Compare the probabilities of two providers."""
    equal_N = probabilities_NK.argmax(axis=1) == reference_NK.argmax(axis=1)
    return Agreement(float(equal_N.mean()), float(np.abs(probabilities_NK - reference_NK).max()))
