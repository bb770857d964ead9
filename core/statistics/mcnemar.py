"""McNemar's exact test for the difference in accuracy of two classifiers on the same images."""

from __future__ import annotations


def mcnemar_exact(only_first: int, only_second: int) -> float:
    """Two-sided exact p-value (McNemar 1947; binomial form).

    Only images that exactly one classifier gets right count. If both are equally accurate, the first one gets each of
    them right with probability one half; p is the probability of a split at least as uneven. Integer arithmetic keeps
    the result exact without scipy.

    Args:
        only_first: images that only the first classifier gets right.
        only_second: images that only the second one gets right.

    Returns:
        p on [0, 1]; 1 if the two never differ, 0 only if p underflows.

    Raises:
        ValueError: a count is negative.
    """
    _require_counts(only_first, only_second)
    if only_first == only_second:
        return 1.0
    return 2 * _share_of_divisions(min(only_first, only_second), only_first + only_second)


def mcnemar_worse(only_first: int, only_second: int) -> float:
    """One-sided exact p-value that the first classifier is less accurate than the second.

    The p-value is the probability, if both are equally accurate, that the first one alone gets at most `only_first`
    images right. Arguments and errors are those of `mcnemar_exact`.
    """
    _require_counts(only_first, only_second)
    return _share_of_divisions(only_first, only_first + only_second)


def _require_counts(only_first: int, only_second: int) -> None:
    if only_first < 0 or only_second < 0:
        raise ValueError(f"counts cannot be negative: {only_first}, {only_second}")


def _share_of_divisions(at_most: int, discordant: int) -> float:
    """P(X <= at_most) of X successes in `discordant` fair trials."""
    discordant = int(discordant)  # numpy integers overflow below
    divisions = 1
    as_uneven = 1
    for chosen in range(at_most):
        divisions = divisions * (discordant - chosen) // (chosen + 1)
        as_uneven += divisions
    return as_uneven / (1 << discordant)
