"""Suggestions for mistyped names in error messages."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(name: str, existing: Iterable[str], *, least_similarity: float = 0.6) -> str:
    """Return ` (did you mean 'cnn_best'?)` with the most similar existing name, or an empty string.

    A dotted name is also found by its last part: `learning_rate` suggests `optimization.learning_rate`.

    Args:
        name: mistyped name.
        existing: valid names.
        least_similarity: ratio of difflib.SequenceMatcher that a suggestion must have.
    """
    names = list(existing)
    found = get_close_matches(name, names, n=1, cutoff=least_similarity)
    if not found:
        by_last_part = {each.rpartition(".")[2]: each for each in reversed(names)}
        found = [by_last_part[each] for each in get_close_matches(name, by_last_part, n=1, cutoff=least_similarity)]
    return f" (did you mean {found[0]!r}?)" if found else ""
