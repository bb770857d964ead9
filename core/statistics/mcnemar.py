"""McNemar's exact test: do two classifiers, judged on the same images, differ in accuracy?"""

from __future__ import annotations


def mcnemar_exact(only_first: int, only_second: int) -> float:
    """Two-sided exact p-value (McNemar 1947; binomial form).

    Only the images that exactly one of the two gets right tell them apart. If both are equally accurate, each
    such image is the first's with probability one half; p is the probability of a division at least as uneven.
    Counted in whole numbers, so it is exact, and needs no library that every API process would have to load.

    Args:
        only_first: images that only the first classifier gets right.
        only_second: images that only the second one gets right.

    Returns:
        p on [0, 1]; 1 where the two never differ, 0 only where p is too small for a float.

    Raises:
        ValueError: a count is negative.
    """
    _require_counts(only_first, only_second)
    if only_first == only_second:
        return 1.0
    return 2 * _share_of_divisions(min(only_first, only_second), only_first + only_second)


def mcnemar_worse(only_first: int, only_second: int) -> float:
    """One-sided exact p-value: how surely is the first classifier less accurate than the second?

    The probability that, if both are equally accurate, no more than `only_first` of the images that tell them apart
    are the first's; arguments and errors as of `mcnemar_exact`.
    """
    _require_counts(only_first, only_second)
    return _share_of_divisions(only_first, only_first + only_second)


def _require_counts(only_first: int, only_second: int) -> None:
    if only_first < 0 or only_second < 0:
        raise ValueError(f"counts cannot be negative: {only_first}, {only_second}")


def _share_of_divisions(at_most: int, discordant: int) -> float:
    """P(X <= at_most) of X successes in `discordant` fair trials."""
    discordant = int(discordant)  # numpy's integers would overflow below
    divisions = 1
    as_uneven = 1
    for chosen in range(at_most):
        divisions = divisions * (discordant - chosen) // (chosen + 1)
        as_uneven += divisions
    return as_uneven / (1 << discordant)
