from __future__ import annotations

import numpy as np
import pytest

from training.corruptions.original_noise import DEVIATION, FACTORS, noisy_original

GRAY_NHWC = np.full((6, 32, 32, 3), 128, np.uint8)


@pytest.mark.parametrize("factor", FACTORS[1:])
def test_noise_averages_out_with_the_size_of_the_original(factor: int) -> None:
    """An antialiased reduction averages about factor x factor pixels."""
    deviation = (noisy_original(GRAY_NHWC, factor, 0) / 255.0).std()
    assert deviation == pytest.approx(DEVIATION / factor, rel=0.35)


def test_original_of_the_input_size_gets_plain_gaussian_noise() -> None:
    noisy_NHWC = noisy_original(GRAY_NHWC, 1, 0)
    assert (noisy_NHWC / 255.0).std() == pytest.approx(DEVIATION, rel=0.03)
    assert (noisy_NHWC == noisy_original(GRAY_NHWC, 1, 0)).all()
    assert (noisy_NHWC != noisy_original(GRAY_NHWC, 1, 1)).mean() > 0.9


def test_content_and_size_stay() -> None:
    images_NHWC = np.zeros((1, 24, 32, 3), np.uint8)
    images_NHWC[:, :, 16:] = 255
    noisy_NHWC = noisy_original(images_NHWC, 8, 0)
    assert noisy_NHWC.shape == images_NHWC.shape
    assert noisy_NHWC[:, :, :12].mean() < 20
    assert noisy_NHWC[:, :, 20:].mean() > 235
