"""Error rate as a function of an image property: by fifths, and as the area under the ROC curve."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from core.records.mistakes import Pattern, PropertyBin, PropertyName
from core.statistics.intervals import difference_of_proportions, proportion, statistic_estimate
from training.analysis.mistakes.properties import DESCRIPTIONS

BINS = 5
_RESAMPLES = 300
Doubles = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def pattern(name: PropertyName, values_N: Doubles, wrong_N: Bools) -> Pattern:
    """Error rate by fifths of a property of N >= 5 images, with its trend and separation."""
    parts = np.array_split(np.argsort(values_N, kind="stable"), BINS)
    counts = [(int(wrong_N[part].sum()), len(part)) for part in parts]
    return Pattern(
        name=name,
        description=DESCRIPTIONS[name],
        bins=tuple(
            PropertyBin(
                low=float(values_N[part[0]]), high=float(values_N[part[-1]]), images=len(part), error=proportion(*count)
            )
            for part, count in zip(parts, counts, strict=True)
        ),
        trend=difference_of_proportions(counts[-1], counts[0]),
        separation=(
            statistic_estimate(separation, values_N, wrong_N, resamples=_RESAMPLES)
            if 0 < wrong_N.sum() < len(wrong_N)
            else None
        ),
    )


def separation(values_N: Doubles, wrong_N: Bools) -> float:
    """Area under the ROC curve: P(value of a wrong image > value of a correct one), ties count half.

    Computed from the rank sum (Mann and Whitney 1947). 0.5 if all or none are wrong, which occurs in resamples.
    """
    wrong = int(wrong_N.sum())
    right = len(wrong_N) - wrong
    if not wrong or not right:
        return 0.5
    ranks = float(rankdata(values_N)[wrong_N].sum())
    return (ranks - wrong * (wrong + 1) / 2) / (wrong * right)
