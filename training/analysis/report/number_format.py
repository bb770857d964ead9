"""Number formats of tables and text: Jinja filters that turn a recorded figure into text with its 95% interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from core.errors import DataError
from core.statistics.intervals import ConfidenceInterval

Figure = ConfidenceInterval | float | None
Recorded = TypeVar("Recorded")
_SMALLEST_P = 1e-300
"""Smaller p values are not printed: float64 cannot hold them with full precision."""


def percent(figure: Figure, digits: int = 1) -> str:
    """Format a share without its interval: 0.9074 -> "90.7%".

    Raises:
        DataError: the figure is null in the record; likewise for all functions below.
    """
    return f"{value(figure):.{digits}%}"


def interval(estimate: ConfidenceInterval | None, digits: int = 1) -> str:
    """Format a share with its interval: "90.7% (90.2% to 91.3%)"."""
    return _triple(estimate, f".{digits}%")


def points(estimate: ConfidenceInterval | None, digits: int = 1) -> str:
    """Format a difference of shares in percentage points: "+1.2 (+0.4 to +2.0)"."""
    return _triple(estimate, f"+.{digits}f", scale=100)


def signed(estimate: ConfidenceInterval | None, digits: int = 3) -> str:
    """Format a difference with its interval and signs: "+0.420 (+0.400 to +0.441)"."""
    return _triple(estimate, f"+.{digits}f")


def number(estimate: ConfidenceInterval | None, digits: int = 3) -> str:
    """Format a figure with its interval: "0.614 (0.595 to 0.634)"."""
    return _triple(estimate, f".{digits}f")


def decimal(figure: Figure, digits: int = 2) -> str:
    """Format a figure without its interval: 6.724 -> "6.72"."""
    return f"{value(figure):,.{digits}f}"


def p_value(p: float) -> str:
    """Format a p value: "0.040", "3.2e-12" or "below 1e-300"."""
    if p < _SMALLEST_P:
        return "below 1e-300"
    return f"{p:.1e}" if p < 0.001 else f"{p:.3f}"


def megabytes(count: int) -> str:
    """Format bytes as megabytes (10^6 bytes): 24_400_000 -> "24.4 MB"."""
    return f"{count / 1e6:.1f} MB"


def joined(names: Sequence[str]) -> str:
    """Join names as in a sentence: "a, b and c"."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def negated(estimate: ConfidenceInterval | None) -> ConfidenceInterval:
    """Return a difference with its sign reversed: second minus first instead of first minus second."""
    found = recorded(estimate)
    return ConfidenceInterval(value=-found.value, low=-found.high, high=-found.low)


def value(figure: Figure) -> float:
    """Return the value of an estimate, or the number itself."""
    return figure if isinstance(figure, int | float) else recorded(figure).value


def recorded(figure: Recorded | None) -> Recorded:
    """Return the figure.

    Raises:
        DataError: it is null.
    """
    if figure is None:
        raise DataError("the record has null here: the figure was not measured")
    return figure


def _triple(estimate: ConfidenceInterval | None, spec: str, *, scale: float = 1) -> str:
    """Value and bounds in a number format; a value that rounds to zero has no sign."""
    found = recorded(estimate)
    texts = [format(scale * each, spec) for each in (found.value, found.low, found.high)]
    shown = [text if float(text.rstrip("%")) else text.lstrip("+-") for text in texts]
    return f"{shown[0]} ({shown[1]} to {shown[2]})"
