"""Holm's correction of p-values for multiple tests."""

from __future__ import annotations

from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Adjusted p-values (Holm 1979, "A simple sequentially rejective multiple test procedure").

    If all tests with an adjusted p below alpha are rejected, the probability of any false rejection is at most alpha,
    for any dependence between the tests.

    Args:
        p_values: of M tests, each on [0, 1].

    Returns:
        M adjusted p-values on [0, 1], in the same order; none is below the p-value it comes from.

    Raises:
        ValueError: a p-value is not on [0, 1].
    """
    if not all(0 <= p <= 1 for p in p_values):
        raise ValueError(f"p-values must be on [0, 1], got {list(p_values)}")
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, test in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[test]))
        adjusted[test] = largest
    return tuple(adjusted)
