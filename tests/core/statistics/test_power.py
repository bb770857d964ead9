"""Power of McNemar's test against a simulation, and its limits."""

from __future__ import annotations

import numpy as np
import pytest

from core.statistics.comparison import mcnemar_worse
from core.statistics.power import detectable_difference, images_needed


@pytest.mark.parametrize(
    ("discordant", "images", "level"), [(0.05, 5_000, 0.025), (0.2, 5_000, 0.025), (0.1, 400, 0.01)]
)
def test_detectable_difference_is_found_in_four_of_five_samples(discordant: float, images: int, level: float) -> None:
    """The exact test is somewhat conservative, so that the simulated power may be a little lower."""
    difference = detectable_difference(discordant, images, level)
    assert difference is not None
    random = np.random.default_rng(0)
    shares = [(discordant + difference) / 2, (discordant - difference) / 2, 1 - discordant]
    counts = random.multinomial(images, shares, size=400)
    found = np.mean([mcnemar_worse(int(lost), int(won)) < level for won, lost, _ in counts])
    assert 0.72 < found < 0.86


def test_images_needed_inverts_the_detectable_difference() -> None:
    difference = detectable_difference(0.05, 5_000, 0.025)
    assert difference == pytest.approx(0.00886, abs=2e-5)
    assert images_needed(0.05, difference, 0.025) == pytest.approx(5_000, abs=1)
    assert images_needed(0.05, difference, 0.0025) > 7_000


def test_too_few_images_detect_no_difference() -> None:
    assert detectable_difference(0.1, 20, 0.025) is None
    assert detectable_difference(0.0, 5_000, 0.025) is None


@pytest.mark.parametrize("difference", [0.0, -0.01, 0.06])
def test_impossible_difference_is_an_error(difference: float) -> None:
    with pytest.raises(ValueError, match="not possible"):
        images_needed(0.05, difference, 0.025)
