"""Paired tests of candidate and champion on the same holdout images: overall, per class, calibration, corruption.

The score of an image under corruption is the share of conditions under which it is classified correctly, or flagged.
The interval of the difference is a paired bootstrap over the images.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from core.gate.holdout import Evidence
from core.gate.report import Attempt, ClassVerdict, GateThresholds, Range, Verdict, VerdictName, allowed_up_to
from core.records.base import plain
from core.records.corrupted_holdout import CorruptedHoldout, Shares
from core.statistics.calibration import calibration_gaps
from core.statistics.comparison import PairedComparison, class_counts, compare_paired, holm, mcnemar_worse
from core.statistics.intervals import ConfidenceInterval, from_resamples, mean_estimate, resampled_means


def compare(candidate: Evidence, champion: Evidence) -> PairedComparison:
    """Paired comparison of accuracy; the candidate is first."""
    return compare_paired(candidate.holdout.labels, candidate.holdout.predicted(), champion.holdout.predicted())


def class_verdicts(candidate: Evidence, champion: Evidence, significance: float) -> tuple[ClassVerdict, ...]:
    """For each class with images, test whether the candidate recognizes significantly fewer of them.

    McNemar's exact test, one-sided, per class, with Holm's correction over all classes.
    """
    counts = class_counts(candidate.holdout.labels, candidate.holdout.predicted(), champion.holdout.predicted())
    p_values = holm([mcnemar_worse(each.only_first, each.only_second) for each in counts])
    return tuple(
        ClassVerdict(
            label=candidate.manifest.class_names[each.label],
            images=each.images,
            candidate=(each.both + each.only_first) / each.images,
            champion=(each.both + each.only_second) / each.images,
            p=p,
            passed=p >= significance,
        )
        for each, p in zip(counts, p_values, strict=True)
    )


def lost_calibration(candidate: Evidence, champion: Evidence) -> tuple[float, float, ConfidenceInterval]:
    """Expected calibration error of both, and candidate minus champion with its paired bootstrap interval.

    The upward bias of the calibration error on few images mostly cancels in the difference.
    """
    holdouts = candidate.holdout, champion.holdout
    gaps = [calibration_gaps(holdout.probabilities["fp32"], holdout.labels) for holdout in holdouts]
    new, old = (float(np.abs(gaps_NB.mean(axis=0)).sum()) for gaps_NB in gaps)
    new_B, old_B = (np.abs(resampled_means(gaps_NB)).sum(axis=1) for gaps_NB in gaps)
    return new, old, from_resamples(new - old, new_B - old_B)


_NAMES: tuple[VerdictName, VerdictName] = ("corrupted_accuracy", "corrupted_flags")


def corruption_verdicts(candidate: Evidence, champion: Evidence, thresholds: GateThresholds) -> tuple[Verdict, Verdict]:
    """Compare accuracy and flag rate under corruption with their limits.

    Both pass without a value if a version was not measured, or the two were measured on different images.
    """
    records = _corrupted_records(candidate, champion)
    if isinstance(records, str):
        return _not_measured(records)
    new, old = records
    accuracy_limit, flag_limit = thresholds.max_corrupted_accuracy_loss, thresholds.max_corrupted_flag_increase
    return (
        _verdict(
            _NAMES[0],
            old.share_right() - new.share_right(),
            accuracy_limit,
            f"{_images(new)} {new.accuracy:.1%} are classified correctly instead of {old.accuracy:.1%}, a loss of",
        ),
        _verdict(
            _NAMES[1],
            new.share_flagged() - old.share_flagged(),
            flag_limit,
            f"{_images(new)} {new.flag_rate:.1%} are flagged instead of {old.flag_rate:.1%}, an increase of",
        ),
    )


def corrupted_gain(candidate: Evidence, champion: Evidence, attempt: Attempt, minimum: float) -> Verdict:
    """Test for a gain of accuracy under corruption above `minimum`, on [0, 1], at the one-sided level of the attempt.

    The interval is the normal one of the mean over images: the tails of a bootstrap are too coarse for small levels.

    Without a measurement of both versions on the same images, there is no gain.
    """
    records = _corrupted_records(candidate, champion)
    if isinstance(records, str):
        sentence = f"robustness: {records}"
        return Verdict(name="corrupted_gain", value=None, interval=None, limit=None, passed=False, sentence=sentence)
    new, old = records
    gains_N = new.share_right() - old.share_right()
    gain = float(gains_N.mean())
    half = NormalDist().inv_cdf(1 - attempt.level) * float(gains_N.std(ddof=1)) / math.sqrt(len(gains_N))
    passed = gain - half > minimum
    return Verdict(
        name="corrupted_gain",
        value=gain,
        interval=Range(low=gain - half, high=gain + half),
        limit=minimum,
        passed=passed,
        sentence=(
            f"the accuracy on corrupted holdout images changes by {100 * gain:+.2f} points "
            f"({100 * (gain - half):+.2f} to {100 * (gain + half):+.2f} at {100 * (1 - 2 * attempt.level):.4g} %): "
            f"{'' if passed else 'not '}more robust, the limit is {100 * minimum:g} points"
        ),
    )


def _corrupted_records(candidate: Evidence, champion: Evidence) -> tuple[CorruptedHoldout, CorruptedHoldout] | str:
    """Measurements of both versions under corruption, or the reason why they cannot be compared."""
    new, old = candidate.corrupted, champion.corrupted
    if new is None or old is None:
        missing = " and ".join(side.manifest.reference for side in (candidate, champion) if side.corrupted is None)
        return f"not measured on corrupted images: {missing}; run `duet evaluate REF --robustness`"
    if new.images_key != old.images_key:
        return "the two were measured on different corrupted images"
    return new, old


def _images(record: CorruptedHoldout) -> str:
    kinds = ", ".join(dict.fromkeys(plain(each.name) for each in record.conditions))
    severities = sorted({each.severity for each in record.conditions})
    return f"of {record.data.images:,} holdout images under {kinds} (severities {', '.join(map(str, severities))})"


def _verdict(name: VerdictName, harm_N: Shares, limit: float, measured: str) -> Verdict:
    harm = mean_estimate(harm_N)
    passed = harm.low <= limit
    return Verdict(
        name=name,
        value=harm.value,
        interval=Range(low=harm.low, high=harm.high),
        limit=limit,
        passed=passed,
        sentence=(
            f"{measured} {100 * harm.value:+.2f} points ({100 * harm.low:+.2f} to {100 * harm.high:+.2f}): "
            f"{allowed_up_to(passed)} {100 * limit:g} points"
        ),
    )


def _not_measured(reason: str) -> tuple[Verdict, Verdict]:
    first, second = (
        Verdict(name=name, value=None, interval=None, limit=None, passed=True, sentence=f"{what}: {reason}")
        for name, what in zip(_NAMES, ("accuracy under corruption", "flag rate under corruption"), strict=True)
    )
    return first, second
