"""Accuracy floor of first versions on constructed holdout predictions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.gate.accuracy_floor import accuracy_floor
from core.gate.holdout import Evidence
from core.gate.report import GateThresholds, Verdict
from tests.support.holdouts import evidence, rights, split_of


def evidence_of(counts: tuple[int, ...], right: int) -> Evidence:
    """Holdout with these numbers of images of each class, of which the first `right` ones are correct."""
    labels_N = np.repeat(np.arange(len(counts)), counts)
    return replace(evidence(1, rights()), holdout=split_of(np.arange(len(labels_N)) < right, labels_N=labels_N))


def floor_of(counts: tuple[int, ...], right: int, **thresholds: float) -> Verdict:
    return accuracy_floor(evidence_of(counts, right), GateThresholds(**thresholds))


@pytest.mark.parametrize(("right", "passed"), [(34, False), (35, True)])
def test_balanced_classes_must_be_significantly_above_chance(right: int, passed: bool) -> None:
    """The exact 95 % interval of 34 of 100 begins below 25 %, that of 35 of 100 above it."""
    verdict = floor_of((25, 25, 25, 25), right)
    assert (verdict.passed, verdict.limit, verdict.value) == (passed, 0.25, right / 100)
    assert verdict.interval is not None
    assert (verdict.interval.low > 0.25) is passed


def test_floor_is_the_share_of_the_largest_class() -> None:
    """70 of 100 are far above chance, but always predicting the first class is as good."""
    verdict = floor_of((70, 10, 10, 10), 70)
    assert (verdict.passed, verdict.limit) == (False, 0.7)
    assert "chance is 25.00%, and the most frequent class, ant, has 70.00% of the images" in verdict.sentence
    assert floor_of((70, 10, 10, 10), 80).passed


def test_floor_few_images_do_not_pass() -> None:
    assert not floor_of((1, 1, 0, 0), 2).passed
    assert floor_of((2, 2, 2, 2), 8).passed


def test_floor_uses_the_configured_gain() -> None:
    assert not floor_of((25, 25, 25, 25), 35, min_first_gain=0.1).passed
    assert floor_of((25, 25, 25, 25), 0, min_first_gain=-1).passed
