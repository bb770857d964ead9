"""Power of McNemar's test: smallest detectable difference in accuracy, and the number of images that detects one.

Normal approximation for matched pairs (Connor 1987, "Sample size for testing differences in proportions for the
paired-sample design"): a true difference d, with a share psi of images that exactly one classifier gets right, is
found with probability `power` by n images if n d^2 = (z_level sqrt(psi) + z_power sqrt(psi - d^2))^2.
"""

from __future__ import annotations

import math
from statistics import NormalDist

POWER = 0.8
"""Usual power of a planned test: four of five true differences of this size are found."""
_BISECTIONS = 60


def detectable_difference(discordant_share: float, images: int, level: float, power: float = POWER) -> float | None:
    """Smallest true difference in accuracy, on [0, 1], that a one-sided test at `level` finds with this power.

    Args:
        discordant_share: share of the images, on [0, 1], that exactly one of the two classifiers gets right.
        images: number of images, at least 1.
        level: one-sided significance level, on (0, 1).
        power: probability of finding the difference, on (0, 1).

    Returns:
        None if not even the largest possible difference, `discordant_share`, is found.
    """
    low, high = 0.0, discordant_share
    if high == 0 or images_needed(discordant_share, high, level, power) > images:
        return None
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if middle > 0 and images_needed(discordant_share, middle, level, power) <= images:
            high = middle
        else:
            low = middle
    return high


def images_needed(discordant_share: float, difference: float, level: float, power: float = POWER) -> int:
    """Number of images on which a one-sided test at `level` finds a true `difference` with this power.

    Args are those of `detectable_difference`; 0 < `difference` <= `discordant_share`.

    Raises:
        ValueError: the difference is not in this range.
    """
    if not 0 < difference <= discordant_share:
        raise ValueError(f"a difference of {difference} is not possible with a discordant share of {discordant_share}")
    z_level, z_power = NormalDist().inv_cdf(1 - level), NormalDist().inv_cdf(power)
    spread = z_level * math.sqrt(discordant_share) + z_power * math.sqrt(discordant_share - difference**2)
    return math.ceil((spread / difference) ** 2)
