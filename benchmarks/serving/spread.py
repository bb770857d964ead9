"""Percentiles within a measurement, and the spread of a figure over rounds."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Spread:
    """A figure over rounds: its median, lowest and highest value."""

    median: float
    low: float
    high: float

    def text(self, digits: int) -> str:
        """`0.91 (0.90..0.92)`, or the value alone where there is no spread to show."""
        shown = f"{self.median:,.{digits}f}"
        if self.low == self.high:
            return shown
        return f"{shown} ({self.low:,.{digits}f}..{self.high:,.{digits}f})"


def spread(values: Iterable[float]) -> Spread:
    """The spread of at least one value."""
    listed = list(values)
    return Spread(statistics.median(listed), min(listed), max(listed))


def percentile(values: Sequence[float] | npt.NDArray[np.float64], percent: float) -> float:
    """The smallest value that at least `percent` % of all values do not exceed; NaN of none."""
    if len(values) == 0:
        return float("nan")
    return float(np.percentile(np.asarray(values, np.float64), percent, method="inverted_cdf"))
