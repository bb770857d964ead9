from __future__ import annotations

import numpy as np
import pytest

from training.evaluation.corruption_scores import score_logits


def test_score_logits_matches_the_definitions() -> None:
    logits_NK = np.array([[2.0, 0.0], [0.0, 2.0], [0.0, 0.0], [6.0, 0.0]], np.float32)
    scores = score_logits("clean", 1, logits_NK, np.array([0, 0, 0, 0]), temperature=2.0, ood_threshold=-1.0)
    sure, surest = 1 / (1 + np.exp(-1.0)), 1 / (1 + np.exp(-3.0))
    assert scores.accuracy == 0.75
    assert scores.mean_confidence == pytest.approx((2 * sure + 0.5 + surest) / 4)
    assert scores.ece == pytest.approx((abs(1 - 2 * sure) + 0.5 + (1 - surest)) / 4)
    assert scores.flag_rate == 0.25  # energies -2.13, -2.13, -0.69 and -6
