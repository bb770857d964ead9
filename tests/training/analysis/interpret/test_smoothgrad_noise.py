from __future__ import annotations

import numpy as np
import torch

from core.records.explanations import SMOOTHGRAD_NOISE, NoiseLevel
from core.statistics.intervals import ConfidenceInterval
from tests.support.published_pair import PublishedPair
from training.analysis.interpret.smoothgrad_noise import (
    LEVELS,
    MIN_KEPT,
    QUICK_IMAGES,
    largest_safe_noise,
    noise_levels,
)


class Threshold(torch.nn.Module):
    """Predicts class 1 if the mean of the pixels is above 0.5: noise averages out, unless one pixel decides."""

    def __init__(self, pixels: int) -> None:
        super().__init__()
        self.pixels = pixels

    def forward(self, images_NHWC: torch.Tensor) -> torch.Tensor:
        mean_N = images_NHWC.flatten(1)[:, : self.pixels].mean(1)
        return torch.stack([torch.full_like(mean_N, 0.5), mean_N], dim=1)


def test_noise_levels_are_shares_of_copies_with_the_same_prediction(pair: PublishedPair) -> None:
    robust = noise_levels(Threshold(3_000), pair.images, quick=True)  # type: ignore[arg-type]
    weak = noise_levels(Threshold(1), pair.images, quick=True)  # type: ignore[arg-type]
    assert tuple(level.noise for level in robust) == LEVELS
    assert [level.kept.value for level in robust] > [level.kept.value for level in weak]
    assert robust[0].kept.value == 1.0
    assert weak[-1].kept.value < 0.95
    shares = np.array([level.kept.value for level in weak]) * QUICK_IMAGES * 2
    np.testing.assert_allclose(shares, np.rint(shares), atol=1e-9)
    assert noise_levels(Threshold(1), pair.images, quick=True) == weak  # type: ignore[arg-type]


def levels(*kept: float) -> list[NoiseLevel]:
    return [
        NoiseLevel(noise=noise, kept=ConfidenceInterval(value=share, low=share, high=share))
        for noise, share in zip(LEVELS, kept, strict=False)
    ]


def test_largest_safe_noise_holds_for_all_versions() -> None:
    assert largest_safe_noise([levels(1, 0.97, 0.8), levels(1, MIN_KEPT, 0.95)]) == LEVELS[1]
    assert largest_safe_noise([levels(0.5, 0.4)]) is None
    assert largest_safe_noise([]) is None


def test_default_noise_is_a_measured_level() -> None:
    assert SMOOTHGRAD_NOISE in LEVELS
