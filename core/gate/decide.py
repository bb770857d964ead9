"""Gate decision: a version passes by a gain, a lower cost or more robustness, unless a guard stops it.

A version passes if it is significantly more accurate than the champion, or if it is cheaper or significantly more
robust than the champion and not inferior to the best champion so far. All guards must pass as well: no class,
calibration, robustness or cost is worse than its limit. The tests use the level of the attempt, so that repeated
attempts do not succeed by chance. A guard fails only if the whole interval is beyond the limit, so that chance on a
small holdout does not stop a version.
"""

from __future__ import annotations

from statistics import NormalDist

from core.gate.costs import Costs
from core.gate.error_budget import attempt_at
from core.gate.holdout import Evidence
from core.gate.paired_tests import class_verdicts, compare, corrupted_gain, corruption_verdicts, lost_calibration
from core.gate.report import (
    Attempt,
    ClassVerdict,
    GateReport,
    GateThresholds,
    Ground,
    Power,
    Range,
    Verdict,
    allowed_up_to,
)
from core.statistics.comparison import PairedComparison, paired_difference
from core.statistics.power import detectable_difference, images_needed


def decide(
    champion: Evidence,
    candidate: Evidence,
    costs: Costs,
    thresholds: GateThresholds,
    *,
    attempt: Attempt | None = None,
    best: tuple[Evidence, Evidence] | None = None,
) -> GateReport:
    """Compare a candidate with the champion of its family; both have the same holdout images and classes.

    Args:
        champion: the current champion.
        candidate: the version that may replace it.
        costs: costs of the candidate relative to the champion.
        thresholds: limits of the gate.
        attempt: number and level of the attempt; by default the first one.
        best: the candidate and the most accurate champion so far, on images of both; None if that is the champion.
    """
    attempt = attempt or attempt_at(thresholds.significance, 1)
    comparison = compare(candidate, champion)
    best_comparison = None if best is None else compare(*best)
    classes = class_verdicts(candidate, champion, thresholds.significance)
    gain = _gain(comparison, attempt)
    against = (champion if best is None else best[1]).manifest
    robust = corrupted_gain(candidate, champion, attempt, thresholds.min_corrupted_accuracy_gain)
    inferiority = _non_inferiority(
        best_comparison or comparison,
        "" if best is None else f"against {against.reference}, the most accurate champion so far, ",
        attempt,
        thresholds.robust_inferiority_margin if robust.passed else thresholds.non_inferiority_margin,
    )
    cheaper = _cheaper(costs, thresholds)
    guards = (
        _classes(classes, thresholds),
        _calibration(candidate, champion, thresholds),
        *corruption_verdicts(candidate, champion, thresholds),
        _latency(costs, thresholds),
        _size(costs, thresholds),
    )
    ground: Ground = "not_better"
    if gain.passed:
        ground = "significant_gain"
    elif inferiority.passed and (robust.passed or cheaper.passed):
        ground = "more_robust_and_not_inferior" if robust.passed else "cheaper_and_not_inferior"
    passed = ground != "not_better" and all(guard.passed for guard in guards)
    if ground != "not_better" and not passed:
        ground = "worse_elsewhere"
    new, old = candidate.manifest, champion.manifest
    return GateReport(
        family=new.family,
        candidate=new.version,
        champion=old.version,
        passed=passed,
        ground=ground,
        summary=_summary(new.reference, old.reference, ground, guards),
        holdouts={new.reference: candidate.record, old.reference: champion.record},
        comparison=comparison,
        verdicts=(gain, inferiority, cheaper, robust, *guards),
        classes=classes,
        thresholds=thresholds,
        attempt=attempt,
        power=_power(comparison, attempt),
        best_champion=against.version,
        best_comparison=best_comparison,
    )


def _summary(new: str, old: str, ground: Ground, guards: tuple[Verdict, ...]) -> str:
    if ground == "significant_gain":
        return f"{new} may replace {old}: it is significantly more accurate, and nothing else became worse"
    if ground == "cheaper_and_not_inferior":
        return f"{new} may replace {old}: it is cheaper and not less accurate, and nothing else became worse"
    if ground == "more_robust_and_not_inferior":
        return f"{new} may replace {old}: it is more robust and not less accurate, and nothing else became worse"
    if ground == "worse_elsewhere":
        against = "; ".join(guard.sentence for guard in guards if not guard.passed)
        return f"{new} may not replace {old}, although it is a gain: {against}"
    return (
        f"{new} may not replace {old}: it is neither significantly more accurate, nor cheaper or more robust without a "
        "loss of accuracy"
    )


def _gain(comparison: PairedComparison, attempt: Attempt) -> Verdict:
    difference, p, limit = comparison.difference, comparison.mcnemar_p, 2 * attempt.level  # p is two-sided
    passed = difference.value > 0 and p < limit
    counted = "a significant gain" if passed else "no significant gain"
    return Verdict(
        name="gain",
        value=difference.value,
        interval=Range(low=difference.low, high=difference.high),
        limit=limit,
        passed=passed,
        sentence=(
            f"{comparison.first_accuracy:.2%} of {comparison.images:,} holdout images are correct instead of "
            f"{comparison.second_accuracy:.2%}, a difference of {100 * difference.value:+.2f} points "
            f"({100 * difference.low:+.2f} to {100 * difference.high:+.2f}); McNemar's p is {_p(p)}, the limit of "
            f"attempt {attempt.number} is {limit:.2g}: {counted}"
        ),
    )


def _non_inferiority(comparison: PairedComparison, against: str, attempt: Attempt, margin: float) -> Verdict:
    difference = paired_difference(
        comparison.only_first_right,
        comparison.only_second_right,
        comparison.images,
        NormalDist().inv_cdf(1 - attempt.level),
    )
    passed = difference.low > -margin
    end = f"{against}at the low end of the {100 * (1 - 2 * attempt.level):.4g} % interval it is"
    at_worst = f"{end} not less accurate"
    if difference.low < 0:
        at_worst = f"{end} {-100 * difference.low:.2f} points less accurate, {100 * margin:.2f} is allowed"
    return Verdict(
        name="non_inferiority",
        value=difference.value,
        interval=Range(low=difference.low, high=difference.high),
        limit=-margin,
        passed=passed,
        sentence=f"{at_worst}: {'not ' if passed else ''}inferior",
    )


def _power(comparison: PairedComparison, attempt: Attempt) -> Power:
    images, gain = comparison.images, comparison.difference.value
    share = (comparison.only_first_right + comparison.only_second_right) / images
    detectable = detectable_difference(share, images, attempt.level)
    needed = images_needed(share, gain, attempt.level) if gain > 0 else None
    found = "no gain passes with a probability of 80 %"
    if detectable is not None:
        found = f"a true gain of {100 * detectable:.2f} points passes with a probability of 80 %"
    planned = "" if needed is None else f"; the measured gain, if it is true, needs {needed:,} images for that"
    return Power(
        discordant_share=share,
        detectable_gain=detectable,
        images_for_gain=needed,
        sentence=(
            f"exactly one of the two is right on {share:.2%} of {images:,} holdout images: at the level of this "
            f"attempt {found}{planned}"
        ),
    )


def _cheaper(costs: Costs, thresholds: GateThresholds) -> Verdict:
    latency, size, limit = costs.latency.ratio.high, costs.size_ratio, thresholds.cheaper_ratio
    passed = min(latency, size) <= limit and max(latency, size) <= 1 / limit
    return Verdict(
        name="cheaper",
        value=min(costs.latency.ratio.value, size),
        interval=None,
        limit=limit,
        passed=passed,
        sentence=(
            f"it takes {costs.latency.ratio.value:.2f} times the time and {size:.2f} times the space: "
            f"{'' if passed else 'not '}cheaper, the limits are {limit:g} and {1 / limit:.2f} times"
        ),
    )


def _classes(classes: tuple[ClassVerdict, ...], thresholds: GateThresholds) -> Verdict:
    worse = [one for one in classes if not one.passed]
    named = ", ".join(
        f"{one.label} ({one.candidate:.1%} of {one.images} instead of {one.champion:.1%}, p {_p(one.p)})"
        for one in worse
    )
    return Verdict(
        name="classes",
        value=min(one.p for one in classes),
        interval=None,
        limit=thresholds.significance,
        passed=not worse,
        sentence=(
            f"significantly worse after Holm's correction: {named}" if worse else "no class is significantly worse"
        ),
    )


def _calibration(candidate: Evidence, champion: Evidence, thresholds: GateThresholds) -> Verdict:
    new, old, loss = lost_calibration(candidate, champion)
    limit = thresholds.max_calibration_loss
    return Verdict(
        name="calibration",
        value=loss.value,
        interval=Range(low=loss.low, high=loss.high),
        limit=limit,
        passed=loss.low <= limit,
        sentence=(
            f"the expected calibration error is {new:.4f} instead of {old:.4f}, {loss.value:+.4f} "
            f"({loss.low:+.4f} to {loss.high:+.4f}): {allowed_up_to(loss.low <= limit)} {limit:g}"
        ),
    )


def _latency(costs: Costs, thresholds: GateThresholds) -> Verdict:
    latency, limit = costs.latency, thresholds.max_latency_ratio
    ratio = latency.ratio
    return Verdict(
        name="latency",
        value=ratio.value,
        interval=Range(low=ratio.low, high=ratio.high),
        limit=limit,
        passed=ratio.low <= limit,
        sentence=(
            f"an image takes {latency.candidate_ms:.2f} ms instead of {latency.champion_ms:.2f} ms on one thread, "
            f"{ratio.value:.2f} times ({ratio.low:.2f} to {ratio.high:.2f}): {allowed_up_to(ratio.low <= limit)} "
            f"{limit:g} times"
        ),
    )


def _size(costs: Costs, thresholds: GateThresholds) -> Verdict:
    ratio, limit = costs.size_ratio, thresholds.max_size_ratio
    return Verdict(
        name="size",
        value=ratio,
        interval=None,
        limit=limit,
        passed=ratio <= limit,
        sentence=(
            f"graph and weights are {costs.candidate_bytes / 1e6:.2f} MB instead of {costs.champion_bytes / 1e6:.2f} "
            f"MB, {ratio:.2f} times: {allowed_up_to(ratio <= limit)} {limit:g} times"
        ),
    )


def _p(p: float) -> str:
    return f"{p:.2g}" if p >= 1e-4 else "below 0.0001"
