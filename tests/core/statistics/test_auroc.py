import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from core.statistics.auroc import auroc


def test_the_area_is_the_share_of_ordered_pairs_with_ties_half() -> None:
    assert auroc(np.array([1.0, 2.0]), np.array([2.0, 3.0])).value == (0.5 + 1 + 1 + 1) / 4
    random = np.random.default_rng(0)
    low, high = random.integers(0, 20, 300).astype(float), random.integers(3, 25, 200).astype(float)
    expected = roc_auc_score([0] * 300 + [1] * 200, np.concatenate([low, high]))
    assert auroc(low, high).value == pytest.approx(expected)
    assert auroc(high, low).value == pytest.approx(1 - expected)


def test_the_interval_is_as_wide_as_the_area_scatters() -> None:
    random = np.random.default_rng(1)
    found = [auroc(random.normal(0, 1, 80), random.normal(1, 1, 50)) for _ in range(400)]
    truth = 0.7602  # the normal distribution function at 1 / sqrt(2)
    held = np.mean([one.low <= truth <= one.high for one in found])
    assert 0.90 < held < 0.98
    errors = [(one.high - one.low) / 2 / 1.96 for one in found]
    assert np.mean(errors) == pytest.approx(np.std([one.value for one in found]), rel=0.15)


def test_scores_that_do_not_overlap_and_too_few_of_them() -> None:
    perfect = auroc(np.array([0.0, 1.0]), np.array([2.0, 3.0]))
    assert (perfect.value, perfect.low, perfect.high) == (1.0, 1.0, 1.0)
    with pytest.raises(ValueError, match="two of each"):
        auroc(np.array([0.0]), np.array([2.0, 3.0]))
