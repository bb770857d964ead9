"""Simulations of live statistics, with few streams."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from rich.progress import Progress

from benchmarks.loop import drift, labels, trial
from benchmarks.loop.bench import GOALS, accuracy_part, trial_part
from core.files.home import shipped_models
from core.sequential.mcnemar import SequentialMcNemar, TrialCounts, log_evidence
from core.statistics.comparison import mcnemar_exact

PAIR = trial.Pair.stored(shipped_models() / "cnn/3", shipped_models() / "cnn/4")


def test_outcomes_are_those_of_the_stored_answers() -> None:
    assert PAIR.difference == pytest.approx(0.01)
    assert PAIR.disagreements == pytest.approx(0.0528)
    assert PAIR.equal().difference == 0
    scores_SN = PAIR.scores(200, 500, np.random.default_rng(0))
    assert (scores_SN == 1).mean() == pytest.approx(PAIR.challenger_right / PAIR.disagreements, abs=0.01)
    assert (scores_SN == 0).mean() == pytest.approx(PAIR.neither / PAIR.disagreements, abs=0.01)


def test_the_first_verdict_is_that_of_the_test_after_every_label() -> None:
    scores_SN = PAIR.scores(20, 400, np.random.default_rng(1))
    right_S, wrong_S = trial.verdicts(scores_SN)
    test = SequentialMcNemar()
    for scores_N, right, wrong in zip(scores_SN, right_S, wrong_S, strict=True):
        first = min(int(right), int(wrong), len(scores_N))
        for labels_seen in {first - 1, first}:
            seen_N = scores_N[:labels_seen]
            counts = TrialCounts(
                challenger_right=int((seen_N == 1).sum()), champion_right=int((seen_N == -1).sum()), neither=0
            )
            verdict = test.result(counts).verdict
            reached = labels_seen == first and min(right, wrong) != trial.NEVER
            assert (verdict in {"challenger_better", "champion_better"}) == reached


def test_peeking_is_mcnemars_exact_test_after_every_label() -> None:
    scores_SN = PAIR.equal().scores(50, 60, np.random.default_rng(2))
    found_S = np.minimum(*trial.peeking(scores_SN))
    for scores_N, found in zip(scores_SN, found_S, strict=True):
        won_N, lost_N = (scores_N == 1).cumsum(), (scores_N == -1).cumsum()
        reached = [n + 1 for n in range(60) if mcnemar_exact(int(won_N[n]), int(lost_N[n])) < 0.05]
        assert found == (reached[0] if reached else trial.NEVER)


def test_evidence_grows_with_wins() -> None:
    """`trial.verdicts` searches the number of wins by bisection."""
    won_N = np.arange(101)
    assert (np.diff(log_evidence(won_N, 100 - won_N, 0)) > 0).all()


def test_random_labels_are_needed_for_agreements_too() -> None:
    seen_S = trial.images_until(np.array([100, trial.NEVER] * 500), PAIR, np.random.default_rng(3))
    assert seen_S[::2].mean() == pytest.approx(100 / PAIR.disagreements, rel=0.02)
    assert (seen_S[1::2] == trial.NEVER).all()


def test_alarms_come_sooner_with_more_misses() -> None:
    random = np.random.default_rng(4)
    few, many = (labels.alarms(np.full(300, rate), 100, random) for rate in (0.03, 0.1))
    assert np.median(many) < np.median(few)
    assert np.isinf(labels.alarms(np.zeros(300), 3, random)).all()


def test_weights_undo_the_choice_of_images() -> None:
    population = labels.Population.stored(shipped_models() / "cnn/4", 0.5)
    right_SN, weights_SN = population.draw(100, 500, np.random.default_rng(5))
    assert right_SN.mean() < population.accuracy - 0.05
    assert np.average(right_SN, weights=weights_SN) == pytest.approx(population.accuracy, abs=0.004)
    assert weights_SN.max() <= population.largest_weight
    missed = labels.misses(population, 40, 200, np.random.default_rng(6))
    assert missed.confidence_sequence <= 0.1 < missed.unweighted
    width, uniform = labels.widths(population, 200, 3, np.random.default_rng(7))
    assert 0 < uniform < width < 30


def test_drift_is_found_only_where_it_is() -> None:
    traffic = drift.Traffic.stored(shipped_models() / "cnn/4")
    random = np.random.default_rng(8)
    changes: dict[drift.Quantity, npt.NDArray[np.float64]] = {
        "class mix": traffic.one_class_doubled(),
        "confidence": traffic.wrong_tripled(),
    }
    for quantity, share_N in changes.items():
        assert share_N.sum() == pytest.approx(1)
        [still, moved] = (
            drift.alarms(traffic, quantity, share, streams=2, images=2_500, random=random) for share in (None, share_N)
        )
        assert np.isinf(still).all()
        assert math.isfinite(moved.min())


def test_every_goal_has_a_figure_of_the_trial_or_the_labels() -> None:
    figures: dict[str, float] = {}
    with Progress(disable=True) as progress:
        for part in (trial_part, accuracy_part):
            table, found = part(shipped_models(), 10, np.random.default_rng(9), progress)
            assert all(len(row) == len(table.headings) for row in table.rows)
            figures |= found
    for goal in GOALS:
        if goal.name.startswith(("trial", "accuracy")):
            assert goal.name in figures
