"""Baseline images: single colors, and the blurred image."""

from __future__ import annotations

import numpy as np
import pytest

from service.saliency.baselines import Baseline, baseline_image

IMAGE = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)


@pytest.mark.parametrize(("name", "value"), [("black", 0), ("white", 255)])
def test_baseline_of_one_color(name: Baseline, value: int) -> None:
    assert (baseline_image(name, IMAGE, (0.1, 0.2, 0.3)) == value).all()


def test_baseline_mean_is_the_color_of_the_training_images() -> None:
    mean = baseline_image("mean", IMAGE, (0.1, 0.2, 0.3))
    assert mean.shape == IMAGE.shape
    assert mean[5, 5].tolist() == [26, 51, 76]


def test_baseline_blur_keeps_brightness_and_loses_detail() -> None:
    flat = np.full((8, 8, 3), 77, np.uint8)
    np.testing.assert_array_equal(baseline_image("blur", flat, (0, 0, 0)), flat)
    blurred = baseline_image("blur", IMAGE, (0, 0, 0)).astype(float)
    assert blurred.std() < IMAGE.std() / 2
    assert abs(blurred.mean() - IMAGE.mean()) < 8
