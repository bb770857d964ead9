"""How numbers are written in sentences and tables."""

from __future__ import annotations

from collections.abc import Sequence

from core.repository.confidence_interval import ConfidenceInterval

SIGNIFICANCE = 0.05
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_MIN_P = 1e-300


def percent(share: float, digits: int = 1) -> str:
    """0.9074 as 90.7%."""
    return f"{share:.{digits}%}"


def interval(estimate: ConfidenceInterval, digits: int = 1) -> str:
    """A share with its interval: 90.7% (90.2% to 91.3%)."""
    return f"{estimate.value:.{digits}%} ({estimate.low:.{digits}%} to {estimate.high:.{digits}%})"


def points(estimate: ConfidenceInterval, digits: int = 1) -> str:
    """A difference of shares in points with its interval: +1.2 (+0.4 to +2.0)."""
    value, low, high = (_signed(100 * x, digits) for x in (estimate.value, estimate.low, estimate.high))
    return f"{value} ({low} to {high})"


def number(estimate: ConfidenceInterval, digits: int = 3) -> str:
    """A figure with its interval."""
    return f"{estimate.value:.{digits}f} ({estimate.low:.{digits}f} to {estimate.high:.{digits}f})"


def signed(estimate: ConfidenceInterval, digits: int = 3) -> str:
    """A difference with its interval, signs shown."""
    value, low, high = (_signed(x, digits) for x in (estimate.value, estimate.low, estimate.high))
    return f"{value} ({low} to {high})"


def p_value(p: float) -> str:
    """A p value as people read it; what a float cannot hold is said to be below the least it can."""
    if p < _MIN_P:
        return "below 1e-300"
    return f"{p:.1e}" if p < 0.001 else f"{p:.3f}"


def listed(names: Sequence[str]) -> str:
    """a, b and c."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def clauses(*groups: tuple[str, Sequence[str]], link: str = "; ") -> str:
    """For each group that has any things, its words with the things listed in place of {}."""
    return link.join(words.format(listed(things)) for words, things in groups if things)


def counted(count: int, noun: str = "", plural: str = "") -> str:
    """Small numbers in words; with a noun, in its plural where that is called for."""
    said = _NUMBERS[count] if count < len(_NUMBERS) else f"{count:,}"
    if not noun:
        return said
    return f"{said} {noun if count == 1 else plural or noun + 's'}"


def sentence(text: str) -> str:
    """The text with a capital first letter."""
    return text[:1].upper() + text[1:]


def direction(estimate: ConfidenceInterval) -> int:
    """1 where the whole interval lies above 0, -1 where it lies below, 0 where it holds 0."""
    if estimate.low > 0:
        return 1
    return -1 if estimate.high < 0 else 0


def turned(estimate: ConfidenceInterval) -> ConfidenceInterval:
    """The difference the other way round."""
    return ConfidenceInterval(value=-estimate.value, low=-estimate.high, high=-estimate.low)


def factor(ratio: float) -> str:
    """How many times as much, in two or three digits."""
    return f"{ratio:.0f}" if ratio >= 20 else f"{ratio:.1f}"


def _signed(value: float, digits: int) -> str:
    """With its sign, but for what is 0 as it is written."""
    text = f"{value:+.{digits}f}"
    return text if float(text) else text[1:]
