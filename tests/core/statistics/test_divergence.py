from __future__ import annotations

import numpy as np
import pytest

from core.statistics.divergence import jensen_shannon_bits


def test_identical_distributions_do_not_diverge() -> None:
    row_K = np.array([0.1, 0.2, 0.7])
    assert jensen_shannon_bits(np.stack([row_K, row_K])) == 0


@pytest.mark.parametrize("models", [2, 3, 8])
def test_disjoint_distributions_diverge_by_the_logarithm_of_their_number(models: int) -> None:
    assert jensen_shannon_bits(np.eye(models)) == pytest.approx(np.log2(models))


def test_hand_computed_case() -> None:
    # mean (3/4, 1/4): entropy 2 - 3/4 log2 3; the rows have entropies 0 and 1
    expected = 2 - 0.75 * np.log2(3) - 0.5
    assert jensen_shannon_bits(np.array([[1.0, 0.0], [0.5, 0.5]])) == pytest.approx(expected)


def test_order_does_not_matter() -> None:
    distributions_MK = np.random.default_rng(0).dirichlet(np.ones(5), size=3)
    assert jensen_shannon_bits(distributions_MK) == pytest.approx(jensen_shannon_bits(distributions_MK[::-1]))
