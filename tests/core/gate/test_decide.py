"""Gate decision on constructed predictions for 2,000 images, 500 in each of four classes."""

from __future__ import annotations

import math

import pytest

from core.gate.decide import decide
from core.gate.report import GateReport, GateThresholds
from core.statistics.comparison import mcnemar_exact, mcnemar_worse
from tests.support.holdouts import IMAGES, costs, evidence, rights, verdict_of

CHAMPION = evidence(1, rights(50, 50, 50, 50))
DEFAULTS = GateThresholds()


def failed(report: GateReport) -> set[str]:
    return {verdict.name for verdict in report.verdicts if not verdict.passed}


def test_significant_gain_passes() -> None:
    report = decide(CHAMPION, evidence(2, rights(40, 40, 40, 40)), costs(), DEFAULTS)
    assert (report.passed, report.ground, failed(report)) == (True, "significant_gain", {"cheaper", "corrupted_gain"})
    assert report.summary == (
        "cnn@2 may replace cnn@1: it is significantly more accurate, and nothing else became worse"
    )
    gain = verdict_of(report, "gain")
    assert gain.value == 40 / IMAGES
    assert gain.interval is not None
    assert 0 < gain.interval.low < gain.value < gain.interval.high
    assert report.comparison is not None
    assert report.comparison.mcnemar_p == mcnemar_exact(40, 0)
    assert (report.comparison.only_first_right, report.comparison.only_second_right) == (40, 0)
    assert "92.00% of 2,000 holdout images are correct instead of 90.00%, a difference of +2.00 points" in gain.sentence


def test_insignificant_gain_fails() -> None:
    """The candidate classifies ten more correctly, from 110 and 100 discordant images: p is 0.53."""
    candidate = evidence(2, rights(50, 50, 50, 40, seed=3))
    report = decide(CHAMPION, candidate, costs(), DEFAULTS)
    assert report.comparison is not None
    assert report.comparison.difference.value == 10 / IMAGES
    assert report.comparison.mcnemar_p > 0.2
    assert (report.passed, report.ground) == (False, "not_better")
    assert failed(report) == {"gain", "non_inferiority", "cheaper", "corrupted_gain"}
    assert "cnn@2 may not replace cnn@1" in report.summary


def test_significant_loss_of_a_cheap_model_fails() -> None:
    report = decide(CHAMPION, evidence(2, rights(60, 60, 60, 60)), costs(0.1, 0.1), DEFAULTS)
    assert (report.passed, report.ground) == (False, "not_better")
    assert not verdict_of(report, "gain").passed
    assert not verdict_of(report, "non_inferiority").passed


@pytest.mark.parametrize(
    ("latency", "size", "passed"),
    [
        (0.5, 1.0, True),
        (1.0, 0.5, True),
        (0.8, 1.1, True),
        (1.0, 1.0, False),
        (0.95, 0.95, False),
        (0.895, 1.0, False),  # at most 0.9 by its value, not by the high end of its interval
        (0.5, 1.2, False),
        (1.2, 0.5, False),
    ],
)
def test_tie_of_a_cheaper_model_passes(latency: float, size: float, passed: bool) -> None:
    report = decide(CHAMPION, evidence(2, rights(50, 50, 50, 50)), costs(latency, size), DEFAULTS)
    assert report.passed is passed
    assert report.ground == ("cheaper_and_not_inferior" if passed else "not_better")
    assert verdict_of(report, "non_inferiority").passed
    assert verdict_of(report, "cheaper").passed is passed


@pytest.mark.parametrize(("margin", "passed"), [(0.0043, True), (0.0041, False)])
def test_non_inferiority_uses_the_lower_bound(margin: float, passed: bool) -> None:
    """Four fewer images are correct: the difference is -0.002, the low end of its interval -0.00419."""
    thresholds = GateThresholds(non_inferiority_margin=margin)
    report = decide(CHAMPION, evidence(2, rights(51, 51, 51, 51)), costs(0.5), thresholds)
    inferiority = verdict_of(report, "non_inferiority")
    assert inferiority.interval is not None
    assert inferiority.interval.low == pytest.approx(-(4 + 1.96 * math.sqrt(5 - 16 / 2002)) / 2002, rel=1e-4)
    assert (report.passed, inferiority.passed) == (passed, passed)


def test_overall_gain_does_not_hide_a_worse_class() -> None:
    report = decide(CHAMPION, evidence(2, rights(20, 20, 20, 70)), costs(), DEFAULTS)
    assert verdict_of(report, "gain").passed
    assert (report.passed, report.ground) == (False, "worse_elsewhere")
    worse = [one for one in report.classes if not one.passed]
    assert [(one.label, one.candidate, one.champion) for one in worse] == [("dog", 0.86, 0.9)]
    assert worse[0].p == pytest.approx(4 * mcnemar_worse(0, 20))
    assert "dog (86.0% of 500 instead of 90.0%, p below 0.0001)" in report.summary


def test_class_tests_use_holm_correction() -> None:
    """The class dog loses five images and gains none: p is 1/32 alone, and 4/32 after correction for four classes."""
    report = decide(CHAMPION, evidence(2, rights(35, 35, 35, 55)), costs(), DEFAULTS)
    assert report.passed
    assert {one.label: one.p for one in report.classes}["dog"] == pytest.approx(4 / 32)
    alone = GateThresholds(significance=0.126)
    assert not decide(CHAMPION, evidence(2, rights(35, 35, 35, 55)), costs(), alone).passed


def test_overconfident_better_model_fails() -> None:
    candidate = evidence(2, rights(40, 40, 40, 40), confidence=0.999)
    report = decide(CHAMPION, candidate, costs(), DEFAULTS)
    assert (report.passed, report.ground) == (False, "worse_elsewhere")
    calibration = verdict_of(report, "calibration")
    assert calibration.value == pytest.approx((0.999 - 0.92) - 0.0, abs=1e-5)
    assert calibration.interval is not None
    assert (calibration.limit, calibration.interval.low > 0.01) == (0.01, True)
    assert calibration.sentence in report.summary
    assert decide(CHAMPION, candidate, costs(), GateThresholds(max_calibration_loss=0.08)).passed


@pytest.mark.parametrize(("latency", "size", "against"), [(4.5, 1.0, {"latency"}), (1.0, 4.5, {"size"})])
def test_gain_over_the_cost_limit_fails(latency: float, size: float, against: set[str]) -> None:
    candidate = evidence(2, rights(40, 40, 40, 40))
    report = decide(CHAMPION, candidate, costs(latency, size), DEFAULTS)
    assert (report.ground, failed(report)) == ("worse_elsewhere", against | {"cheaper", "corrupted_gain"})
    generous = GateThresholds(max_latency_ratio=5, max_size_ratio=5)
    assert decide(CHAMPION, candidate, costs(latency, size), generous).passed


def test_class_without_images_is_skipped() -> None:
    names = ("ant", "bee", "cow", "dog", "eel")
    old, new = (evidence(version, rights(40, 40, 40, 40), class_names=names) for version in (1, 2))
    assert [one.label for one in decide(old, new, costs(), DEFAULTS).classes] == ["ant", "bee", "cow", "dog"]


def test_report_round_trips_and_renders_sentences() -> None:
    report = decide(CHAMPION, evidence(2, rights(40, 40, 40, 40)), costs(0.5), DEFAULTS)
    assert GateReport.model_validate(report.model_dump(mode="json")) == report
    assert len(report.verdicts) == 10
    assert all(len(each.sentence) > 20 and "nan" not in each.sentence for each in report.verdicts)
