"""CIFAR-10-C corruptions at five severities, regenerated from their definitions.

Fourteen of the fifteen corruptions of Hendrycks and Dietterich 2019 (without frost), with the severities of CIFAR-10-C.
The images differ from the published data set, because random numbers and image libraries differ. Results are therefore
comparable with each other, but only roughly with published ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from core.records.robustness import ConditionKind
from training.corruptions import blur, digital, noise, weather
from training.corruptions.spatter import spatter

NAME = "CIFAR-10-C (regenerated)"
LEFT_OUT = "frost is left out: it is made of photographs of frozen panes, which are no part of this project"
SEVERITIES = (1, 2, 3, 4, 5)
_BLOCK_PIXELS = 2_000 * 32 * 32
"""Pixels per block, which limits the memory."""
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Corruption:
    """A corruption and its parameters at each severity.

    Attributes:
        stream: number of its random stream. Published figures depend on it.
        kind: noise, blur, weather or digital.
        corrupt: (images [N, H, W, 3] in [0, 1], random generator, *parameters) -> images, possibly outside [0, 1].
        severities: parameters of severity 1 to 5.
    """

    stream: int
    kind: ConditionKind
    corrupt: Callable[..., Floats]
    names: tuple[str, ...]
    severities: tuple[tuple[Any, ...], ...]

    def setting(self, severity: int) -> str:
        """The parameters of a severity as text."""
        return ", ".join(
            f"{name} {value:g}" for name, value in zip(self.names, self.severities[severity - 1], strict=True)
        )


def _steps(*values: float) -> tuple[tuple[float], ...]:
    return tuple((value,) for value in values)


CORRUPTIONS: Mapping[str, Corruption] = MappingProxyType(
    {
        "gaussian_noise": Corruption(
            0, "noise", noise.gaussian_noise, ("deviation",), _steps(0.04, 0.06, 0.08, 0.09, 0.10)
        ),
        "shot_noise": Corruption(1, "noise", noise.shot_noise, ("photons",), _steps(500, 250, 100, 75, 50)),
        "impulse_noise": Corruption(2, "noise", noise.impulse_noise, ("amount",), _steps(0.01, 0.02, 0.03, 0.05, 0.07)),
        "defocus_blur": Corruption(
            3,
            "blur",
            blur.defocus_blur,
            ("radius", "softness"),
            ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
        ),
        "glass_blur": Corruption(
            4,
            "blur",
            blur.glass_blur,
            ("deviation", "reach", "rounds"),
            ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)),
        ),
        "motion_blur": Corruption(
            5, "blur", blur.motion_blur, ("radius", "deviation"), ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5))
        ),
        "zoom_blur": Corruption(6, "blur", blur.zoom_blur, ("largest factor",), _steps(1.06, 1.11, 1.16, 1.21, 1.26)),
        "snow": Corruption(
            7,
            "weather",
            weather.snow,
            ("mean", "deviation", "zoom", "threshold", "radius", "blur", "clear"),
            (
                (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
                (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
                (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
                (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
                (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
            ),
        ),
        "fog": Corruption(
            8, "weather", weather.fog, ("density", "roughness"), ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75))
        ),
        "brightness": Corruption(9, "weather", weather.brightness, ("added",), _steps(0.05, 0.1, 0.15, 0.2, 0.3)),
        "contrast": Corruption(10, "digital", weather.contrast, ("kept",), _steps(0.75, 0.5, 0.4, 0.3, 0.15)),
        "elastic_transform": Corruption(
            11,
            "digital",
            digital.elastic_transform,
            ("strength", "smoothness", "skew"),
            ((0, 0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05), (0.1, 0.03, 0.03)),
        ),
        "pixelate": Corruption(12, "digital", digital.pixelate, ("kept",), _steps(0.95, 0.9, 0.85, 0.75, 0.65)),
        "jpeg_compression": Corruption(
            13, "digital", digital.jpeg_compression, ("quality",), ((80,), (65,), (58,), (50,), (40,))
        ),
    }
)


EXTRA_CORRUPTIONS: Mapping[str, Corruption] = MappingProxyType(
    {
        "speckle_noise": Corruption(
            14, "noise", noise.speckle_noise, ("deviation",), _steps(0.06, 0.1, 0.12, 0.16, 0.2)
        ),
        "gaussian_blur": Corruption(15, "blur", blur.gaussian_blur, ("deviation",), _steps(0.4, 0.6, 0.7, 0.8, 1)),
        "spatter": Corruption(
            16,
            "weather",
            spatter,
            ("mean", "deviation", "smoothness", "threshold", "strength", "mud"),
            (
                (0.62, 0.1, 0.7, 0.7, 0.5, 0),
                (0.65, 0.1, 0.8, 0.7, 0.5, 0),
                (0.65, 0.3, 1, 0.69, 0.5, 0),
                (0.65, 0.1, 0.7, 0.69, 0.6, 1),
                (0.65, 0.1, 0.5, 0.68, 0.6, 1),
            ),
        ),
        "saturate": Corruption(
            17, "digital", weather.saturate, ("factor", "added"), ((0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2))
        ),
    }
)
"""The four extra corruptions of CIFAR-10-C, for choosing settings and for the promotion gate.

Robustness is reported on `CORRUPTIONS`, which is never used for choices. Sizes are in pixels, defined for 32x32.
"""


def corrupted(name: str, severity: int, images_NHWC: npt.NDArray[np.uint8], seed: int) -> npt.NDArray[np.uint8]:
    """Apply a corruption to uint8 images. The seed determines the result; each corruption has its own random stream.

    Args:
        name: key of `CORRUPTIONS` or `EXTRA_CORRUPTIONS`.
        severity: 1 to 5.
        images_NHWC: uint8 [N, H, W, 3].
        seed: random seed.
    """
    corruption = CORRUPTIONS.get(name) or EXTRA_CORRUPTIONS[name]
    entropy = [seed, corruption.stream, severity]
    step = max(1, _BLOCK_PIXELS // (images_NHWC.shape[1] * images_NHWC.shape[2]))
    blocks = []
    for number, start in enumerate(range(0, len(images_NHWC), step)):
        random = np.random.default_rng([*entropy, number] if number else entropy)
        block_NHWC = images_NHWC[start : start + step] / 255
        blocks.append(_as_pixels(corruption.corrupt(block_NHWC, random, *corruption.severities[severity - 1])))
    return np.concatenate(blocks)


def _as_pixels(images_NHWC: Floats) -> npt.NDArray[np.uint8]:
    # Truncated instead of rounded, as in CIFAR-10-C. Adding 1e-6 corrects float errors just below an integer.
    return np.asarray(np.floor(images_NHWC.clip(0, 1) * 255 + 1e-6), np.uint8)
