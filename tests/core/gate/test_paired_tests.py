"""Robustness guards of the gate: limits, chance, and versions without a measurement."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from core.gate.decide import decide
from core.gate.error_budget import attempt_at
from core.gate.paired_tests import corrupted_gain, corruption_verdicts
from core.gate.report import GateThresholds
from tests.support.holdouts import Rights, costs, evidence, rights, verdict_of

IMAGES = 2_000
DEFAULTS = GateThresholds()


def first(count: int) -> Rights:
    """The first `count` of 2,000 images."""
    return np.asarray(np.arange(IMAGES) < count)


CHAMPION = evidence(1, rights(50, 50, 50, 50), corrupted=(first(1_600), first(100)))


def test_clean_gain_does_not_hide_a_corruption_loss() -> None:
    candidate = evidence(2, rights(40, 40, 40, 40), corrupted=(first(1_500), first(100)))
    report = decide(CHAMPION, candidate, costs(), DEFAULTS)
    assert (report.passed, report.ground) == (False, "worse_elsewhere")
    verdict = verdict_of(report, "corrupted_accuracy")
    assert verdict.value == pytest.approx(0.05)
    assert verdict.interval is not None
    assert (verdict.limit, verdict.interval.low > 0.02) == (0.02, True)
    assert (
        "of 2,000 holdout images under saturate, spatter (severities 2, 4) 75.0% are classified correctly instead of "
        "80.0%, "
        "a loss of +5.00 points"
    ) in report.summary
    assert verdict_of(report, "corrupted_flags").passed
    assert decide(CHAMPION, candidate, costs(), GateThresholds(max_corrupted_accuracy_loss=0.06)).passed


@pytest.mark.parametrize(("right", "passed"), [(1_560, True), (1_550, True), (1_530, False)])
def test_loss_fails_only_if_its_interval_exceeds_the_limit(right: int, passed: bool) -> None:
    """A loss of 2.5 points is above the limit of 2, but the low end of its interval, 1.8, is below it."""
    verdict = corruption_verdicts(
        evidence(2, rights(0, 0, 0, 0), corrupted=(first(right), first(100))), CHAMPION, DEFAULTS
    )
    assert verdict[0].passed is passed


def test_loss_is_paired_by_image() -> None:
    """With equally many but different correct images, the loss is zero and its interval has a width."""
    same, _ = corruption_verdicts(CHAMPION, CHAMPION, DEFAULTS)
    assert same.interval is not None
    assert (same.value, same.interval.low, same.interval.high) == (0, 0, 0)
    other = evidence(2, rights(0, 0, 0, 0), corrupted=(first(1_600)[::-1], first(100)))
    verdict, _ = corruption_verdicts(other, CHAMPION, DEFAULTS)
    assert verdict.interval is not None
    assert verdict.value == pytest.approx(0)
    assert verdict.interval.low < -0.02 < 0.02 < verdict.interval.high


def test_flag_increase_above_the_limit_fails() -> None:
    candidate = evidence(2, rights(40, 40, 40, 40), corrupted=(first(1_600), first(300)))
    report = decide(CHAMPION, candidate, costs(), DEFAULTS)
    assert (report.passed, report.ground) == (False, "worse_elsewhere")
    assert verdict_of(report, "corrupted_flags").value == pytest.approx(0.1)
    assert "15.0% are flagged instead of 5.0%, an increase of +10.00 points" in report.summary
    assert decide(CHAMPION, candidate, costs(), GateThresholds(max_corrupted_flag_increase=0.1)).passed
    # Fewer flags and more right answers are no harm.
    better = evidence(3, rights(0, 0, 0, 0), corrupted=(first(2_000), first(0)))
    assert all(verdict.passed for verdict in corruption_verdicts(better, candidate, DEFAULTS))


@pytest.mark.parametrize("missing", [1, 2])
def test_unmeasured_corruption_passes_with_a_reason(missing: int) -> None:
    sides = {1: CHAMPION, 2: evidence(2, rights(40, 40, 40, 40), corrupted=(first(0), first(2_000)))}
    sides[missing] = dataclasses.replace(sides[missing], corrupted=None)
    report = decide(sides[1], sides[2], costs(), DEFAULTS)
    assert report.passed
    assert not verdict_of(report, "corrupted_gain").passed
    for name in ("corrupted_accuracy", "corrupted_flags"):
        verdict = verdict_of(report, name)
        assert (verdict.value, verdict.limit, verdict.passed) == (None, None, True)
        assert (
            f"not measured on corrupted images: cnn@{missing}; run `duet evaluate REF --robustness`" in verdict.sentence
        )


@pytest.mark.parametrize("change", [{"seed": 2}, {"split_digest": "e" * 64}])
def test_records_of_other_images_are_not_compared(change: dict[str, object]) -> None:
    record = CHAMPION.corrupted
    assert record is not None
    other = dataclasses.replace(CHAMPION, corrupted=record.model_copy(update=change))
    for verdict in corruption_verdicts(other, CHAMPION, DEFAULTS):
        assert verdict.value is None
        assert "measured on different corrupted images" in verdict.sentence


@pytest.mark.parametrize(("right", "passed"), [(1_640, False), (1_715, False), (1_790, True)])
def test_robust_version_that_is_not_inferior_passes(right: int, passed: bool) -> None:
    """The champion has 1,600 of 2,000 corrupted images right: the low end of the gain must exceed 5 points."""
    candidate = evidence(2, rights(50, 50, 50, 50), corrupted=(first(right), first(100)))
    report = decide(CHAMPION, candidate, costs(), DEFAULTS)
    gain = verdict_of(report, "corrupted_gain")
    assert gain.value == pytest.approx((right - 1_600) / 2_000)
    assert gain.interval is not None
    assert gain.limit is not None
    assert (gain.interval.low > gain.limit) is gain.passed is report.passed is passed
    assert report.ground == ("more_robust_and_not_inferior" if passed else "not_better")
    assert verdict_of(report, "non_inferiority").limit == (-0.02 if passed else -0.005)


def test_robust_version_that_lost_accuracy_fails() -> None:
    candidate = evidence(2, rights(70, 70, 70, 70), corrupted=(first(2_000), first(100)))
    report = decide(CHAMPION, candidate, costs(), DEFAULTS)
    assert verdict_of(report, "corrupted_gain").passed
    assert not verdict_of(report, "non_inferiority").passed
    assert (report.passed, report.ground) == (False, "not_better")


def test_robustness_does_not_hide_a_worse_guard() -> None:
    candidate = evidence(2, rights(50, 50, 50, 50), corrupted=(first(2_000), first(1_000)))
    report = decide(CHAMPION, candidate, costs(), DEFAULTS)
    assert verdict_of(report, "corrupted_gain").passed
    assert not verdict_of(report, "corrupted_flags").passed
    assert (report.passed, report.ground) == (False, "worse_elsewhere")


def test_late_attempt_needs_a_larger_robustness_gain() -> None:
    candidate = evidence(2, rights(50, 50, 50, 50), corrupted=(first(1_725), first(100)))
    levels = [attempt_at(DEFAULTS.significance, number) for number in (1, 30)]
    assert [corrupted_gain(candidate, CHAMPION, level, 0.05).passed for level in levels] == [True, False]
