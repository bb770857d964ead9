"""Checks of attribution methods: limits for the gain over controls and for the similarity after randomization."""

from __future__ import annotations

from core.records.base import plain
from core.records.explanations import Check, CheckName, ControlGain, MethodEvaluation
from core.statistics.intervals import ConfidenceInterval

MAX_CORRELATION = 0.5
"""Maximum rank correlation of the maps of the trained and the reinitialized network for a method to pass. At 0.5, the
ranks share a quarter of their variance."""
MAX_EXCESS = 0.0
"""Maximum of this correlation minus the correlation with maps of other images. Maps of different images are similar,
because objects are mostly in the center. Only a correlation above that level shows that the map depends on the image
and not on the weights."""


def checks(measured: MethodEvaluation) -> tuple[Check, ...]:
    """Apply the three checks to the figures of a method, whose controls are measured.

    Deletion and insertion pass if the whole interval of the gain over every control is above 0. This is an
    intersection-union test (Berger 1982), which needs no correction for the number of controls. Randomization passes
    if the similarity after it is small and not above the similarity of maps of other images.

    Raises:
        ValueError: a control is missing.
    """
    results = []
    names: tuple[CheckName, ...] = ("deletion", "insertion")
    for name in names:
        gains: tuple[ControlGain, ...] = getattr(measured, f"{name}_controls")
        strongest = min(gains, key=lambda each: each.gain.value)
        reason = (
            f"gain of {_numbers(strongest.gain, '+')} over the strongest control, {plain(strongest.control)}; the "
            "intervals over all controls must lie above 0"
        )
        results.append(Check(name=name, passed=all(each.gain.low > 0 for each in gains), reason=reason))
    last, others, excess = measured.cascade[-1].correlation, measured.other_images, measured.excess
    if others is None or excess is None:
        raise ValueError(f"{measured.method}: the correlation with maps of other images is missing")
    reason = (
        f"rank correlation {_numbers(last)} with maps of fresh weights, which must lie at or below {MAX_CORRELATION}, "
        f"and {_numbers(excess, '+')} above that with maps of other images ({others.value:.3f}), which must lie at or "
        f"below {MAX_EXCESS:g}"
    )
    passed = last.high <= MAX_CORRELATION and excess.high <= MAX_EXCESS
    results.append(Check(name="randomisation", passed=passed, reason=reason))
    return tuple(results)


def _numbers(estimate: ConfidenceInterval, sign: str = "") -> str:
    value, low, high = (f"{number:{sign}.3f}" for number in (estimate.value, estimate.low, estimate.high))
    return f"{value} (95 % interval {low} to {high})"
