from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from training.corruptions.cifar10c import EXTRA_CORRUPTIONS, corrupted
from training.evaluation.corruption_scores import score_extra_corruptions, score_logits


def test_score_logits_matches_the_definitions() -> None:
    logits_NK = np.array([[2.0, 0.0], [0.0, 2.0], [0.0, 0.0], [6.0, 0.0]], np.float32)
    scores = score_logits("clean", 1, logits_NK, np.array([0, 0, 0, 0]), temperature=2.0, ood_threshold=-1.0)
    sure, surest = 1 / (1 + np.exp(-1.0)), 1 / (1 + np.exp(-3.0))
    assert scores.accuracy == 0.75
    assert scores.mean_confidence == pytest.approx((2 * sure + 0.5 + surest) / 4)
    assert scores.ece == pytest.approx((abs(1 - 2 * sure) + 0.5 + (1 - surest)) / 4)
    assert scores.flag_rate == 0.25  # energies -2.13, -2.13, -0.69 and -6


def test_score_extra_corruptions_covers_the_given_severities() -> None:
    images_NHWC = np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3), dtype=np.uint8)
    labels_N = np.arange(6) % 2
    asked = []

    def predict(changed_NHWC: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        asked.append(changed_NHWC)
        return np.eye(2, dtype=np.float32)[labels_N] * 5

    scores = list(
        score_extra_corruptions(
            predict, images_NHWC, labels_N, temperature=1.0, ood_threshold=0.0, severities=(2, 4), seed=7
        )
    )
    assert [(each.name, each.severity) for each in scores] == [(name, s) for name in EXTRA_CORRUPTIONS for s in (2, 4)]
    assert all(each.accuracy == 1 for each in scores)
    np.testing.assert_array_equal(asked[3], corrupted("gaussian_blur", 4, images_NHWC, 7))
