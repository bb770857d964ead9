from __future__ import annotations

import numpy as np
import pytest

from core.images.geometry import ModelInput
from core.repository.manifest import Precision
from service.engine.arrays import Floats, Pixels
from service.engine.provider_check import Agreement, agreement, check_images, probabilities_of
from service.models.sample_images import example_pixels


def test_there_are_64_different_images_of_the_model_size() -> None:
    images_NHWC = check_images(example_pixels(), ModelInput(24, 16, "crop"))
    assert images_NHWC.shape == (64, 24, 16, 3)
    assert images_NHWC.dtype == np.uint8
    assert len({image_HWC.tobytes() for image_HWC in images_NHWC}) == 64


def test_agreement_counts_equal_classes_and_the_largest_difference() -> None:
    exact = np.array([[0.9, 0.1], [0.4, 0.6]])
    assert agreement(exact, exact) == Agreement(1.0, 0.0)
    other = agreement(np.array([[0.8, 0.2], [0.55, 0.45]]), exact)
    assert other.equal_classes == 0.5
    assert other.max_difference == pytest.approx(0.15)


@pytest.mark.parametrize(
    ("precision", "found", "problem"),
    [
        ("fp32", Agreement(1.0, 1e-5), None),
        ("fp32", Agreement(1.0, 1e-3), "a probability differs by 0.001, above 0.0001"),
        ("fp32", Agreement(63 / 64, 1e-5), "98.4% of the classes are equal, not 100%"),
        ("bf16", Agreement(62 / 64, 0.04), None),
        ("bf16", Agreement(61 / 64, 0.06), "95.3% of the classes are equal, not 96% and a probability differs by 0.06"),
        ("bf16", Agreement(1.0, float("nan")), "differs by nan"),
    ],
)
def test_limits_depend_on_the_precision(precision: Precision, found: Agreement, problem: str | None) -> None:
    given = found.problem(precision)
    assert given == problem if problem is None else problem in (given or "")


def test_batches_are_filled_up_and_rows_stay_in_order() -> None:
    sizes = []

    def run(images_NHWC: Pixels) -> Floats:
        sizes.append(len(images_NHWC))
        bright_N = images_NHWC.mean(axis=(1, 2, 3)).astype(np.float32)
        return np.stack([bright_N, np.zeros_like(bright_N)], axis=1)

    images_NHWC = np.arange(7, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)
    probabilities_NK = probabilities_of(run, images_NHWC, batch=4, temperature=2.0)
    assert sizes == [4, 4]
    np.testing.assert_allclose(probabilities_NK[:, 0], 1 / (1 + np.exp(-np.arange(7) / 2)), rtol=1e-6)
