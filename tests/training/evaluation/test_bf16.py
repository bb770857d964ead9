from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from core.repository.graph_records import Bf16Record
from core.repository.onnx_session import find_provider
from tests.support.onnx_models import expected_logits, write_onnx_version
from tests.support.providers import STAND_IN, needs_bf16
from training.evaluation.bf16 import accept_bf16, bf16_logits, bf16_provider
from training.evaluation.calibrate import calibrate

IMAGES, CLASSES = 4_000, 4


def logits(wrong: slice = slice(0)) -> npt.NDArray[np.float32]:
    """Logits of 4,000 images of class i % 4; the `wrong` ones and every 20th are given the next class."""
    generator = np.random.default_rng(0)
    labels_N = np.arange(IMAGES) % CLASSES
    answers_N = labels_N.copy()
    answers_N[::20] += 1
    answers_N[wrong] = labels_N[wrong] + 1
    logits_NK = generator.normal(0, 0.3, (IMAGES, CLASSES)).astype(np.float32)
    logits_NK[np.arange(IMAGES), answers_N % CLASSES] += 6
    return logits_NK


def judged(bf16_NK: npt.NDArray[np.float32], images: int = IMAGES) -> Bf16Record:
    labels_N = np.arange(images) % CLASSES
    fp32_NK = logits()[:images]
    return accept_bf16(bf16_NK[:images], fp32_NK, labels_N, calibrate(fp32_NK, labels_N), STAND_IN)


def test_equal_logits_are_accepted() -> None:
    record = judged(logits())
    assert record.accepted
    assert (record.equal_classes, record.max_difference, record.holdout_difference.value) == (1.0, 0.0, 0.0)
    assert (record.images, record.provider, record.versions) == (IMAGES, "openvino", STAND_IN.versions)
    assert record.coverage_band[0] <= record.coverage <= record.coverage_band[1]
    assert record.verdict == "not inferior"


def test_equal_classes_are_enough_for_a_small_holdout() -> None:
    record = judged(logits() * np.float32(1.001), images=100)
    assert record.holdout_difference.low < -0.005
    assert record.accepted


def test_lost_accuracy_is_rejected() -> None:
    record = judged(logits(wrong=slice(0, 60)))
    assert not record.accepted
    assert "not shown to lose less than 0.5 points of accuracy" in record.verdict
    assert record.equal_classes == pytest.approx(1 - 57 / IMAGES)


def test_coverage_outside_its_band_is_rejected() -> None:
    sharpened = logits() * np.float32(5)  # same classes, but the sets lose their second class
    record = judged(sharpened)
    assert record.equal_classes == 1.0
    assert record.coverage < record.coverage_band[0]
    assert not record.accepted
    assert record.verdict.startswith("its prediction sets contain the true class of 95.00%, outside 9")


@needs_bf16
def test_graph_is_run_in_bf16(tmp_path: Path) -> None:
    provider = bf16_provider()
    assert provider == find_provider("openvino")
    write_onnx_version(tmp_path / "cnn" / "1", "cnn", 1)
    images_NHWC = np.full((5, 8, 8, 3), 96, np.uint8)
    logits_NK = bf16_logits(tmp_path / "cnn" / "1" / "model.onnx", images_NHWC, provider, threads=1)
    assert logits_NK.shape == (5, 5)
    np.testing.assert_allclose(logits_NK[0], expected_logits(96), atol=0.3)
