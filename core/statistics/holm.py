"""Holm's correction: several tests at once, and hardly ever one false alarm among them."""

from __future__ import annotations

from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Adjusted p-values (Holm 1979, "A simple sequentially rejective multiple test procedure").

    Rejecting whatever has an adjusted p below alpha makes one or more false rejections with a probability of at most
    alpha, however the tests depend on each other.

    Args:
        p_values: of M tests, each on [0, 1].

    Returns:
        M adjusted p-values on [0, 1], in the same order; none is below the p-value it comes from.

    Raises:
        ValueError: a p-value is not on [0, 1].
    """
    if not all(0 <= p <= 1 for p in p_values):
        raise ValueError(f"p-values lie on [0, 1], not all of {list(p_values)} do")
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, test in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[test]))
        adjusted[test] = largest
    return tuple(adjusted)
