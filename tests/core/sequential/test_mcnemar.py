"""Sequential McNemar test: answers of an independent implementation, verdicts, false verdicts, the interval.

`CONFSEQ` are answers of gostevehoward/confseq at 70b1ef3: `betting_mart` of (score + 1) / 2 with each bet, averaged
with the prior.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.loop.trial import NEVER, Pair, verdicts
from core.sequential.mcnemar import SequentialMcNemar, TrialCounts, log_evidence, lowest_score

CONFSEQ = {
    (33, 12, 5, 0.0): 37.9239922215,
    (33, 12, 5, 0.1): 8.43943282648,
    (33, 12, 5, -0.2): 3881.96660631,
    (157, 109, 34, 0.0): 31.3478995763,
    (157, 109, 34, 0.1): 0.858039679538,
    (157, 109, 34, -0.2): 685189909.387,
}


@pytest.mark.parametrize(("won", "lost", "neither", "score"), CONFSEQ)
def test_evidence_is_that_of_confseq(won: int, lost: int, neither: int, score: float) -> None:
    found = log_evidence(won, lost, neither, score)
    assert float(found) == pytest.approx(math.log(CONFSEQ[won, lost, neither, score]), abs=1e-9)


def test_the_expected_evidence_of_one_label_is_one_for_equal_models() -> None:
    outcomes = [((1, 0, 0), 0.3), ((0, 1, 0), 0.3), ((0, 0, 1), 0.4)]
    expected = sum(share * math.exp(float(log_evidence(*counts))) for counts, share in outcomes)
    assert expected == pytest.approx(1, abs=1e-12)


def test_verdicts() -> None:
    test = SequentialMcNemar(margin=0.01)
    agreed = {"agreements": 5_000}
    better = test.result(TrialCounts(**agreed, challenger_right=100, champion_right=50, neither=20))
    worse = test.result(TrialCounts(**agreed, challenger_right=50, champion_right=100, neither=20))
    assert (better.verdict, worse.verdict) == ("challenger_better", "champion_better")
    assert better.evidence_challenger == worse.evidence_champion > better.decisive_evidence == 40
    assert better.difference.low == pytest.approx(-worse.difference.high)
    assert better.difference.low > 0
    assert better.difference.value == pytest.approx(50 / 5_170)
    close = TrialCounts(agreements=20_000, challenger_right=150, champion_right=150, neither=50)
    assert test.result(close).verdict == "no_difference"
    assert SequentialMcNemar(margin=0.0005).result(close).verdict == "undecided"
    assert test.result(TrialCounts(agreements=60, challenger_right=3, champion_right=1)).verdict == "undecided"


def test_first_result_is_that_of_the_simulation_after_every_label() -> None:
    scores_SN = Pair(0.05, 0.03, 0.02).scores(40, 250, np.random.default_rng(3))
    better_S, worse_S = verdicts(scores_SN)
    test = SequentialMcNemar(margin=1e-6)
    for scores_N, better, worse in zip(scores_SN, better_S.tolist(), worse_S.tolist(), strict=True):
        found = test.first_result(scores_N.tolist(), agreements=6_000, disagreements=700)
        first = min(better, worse, NEVER)
        assert found.counts.labelled == min(first, 250)
        assert found.counts.disagreements == 700
        expected = "undecided" if first == NEVER else "challenger_better" if better < worse else "champion_better"
        assert found.verdict == expected
    assert (better_S < NEVER).sum() > 10
    assert (better_S == NEVER).any()


def test_first_result_without_labels_is_undecided() -> None:
    found = SequentialMcNemar().first_result([], agreements=10, disagreements=3)
    assert (found.verdict, found.counts.unlabelled, found.counts.agreements) == ("undecided", 3, 10)


def test_nothing_is_known_without_counts() -> None:
    result = SequentialMcNemar().result(TrialCounts())
    assert (result.difference.low, result.difference.high, result.verdict) == (-1.0, 1.0, "undecided")
    assert result.evidence_challenger == pytest.approx(1)


def test_agreement_alone_can_show_that_there_is_no_difference() -> None:
    """Models that never disagree cannot differ in accuracy by more than the rate of disagreements."""
    assert SequentialMcNemar(margin=0.01).result(TrialCounts(agreements=5_000)).verdict == "no_difference"


def test_unlabelled_disagreements_count_towards_the_rate_only() -> None:
    labelled = {"challenger_right": 30, "champion_right": 20, "neither": 5}
    few = SequentialMcNemar().result(TrialCounts(agreements=1_000, **labelled))
    many = SequentialMcNemar().result(TrialCounts(agreements=1_000, unlabelled=55, **labelled))
    assert few.evidence_challenger == many.evidence_challenger
    assert many.difference.value == pytest.approx(few.difference.value * (110 / 1_110) / (55 / 1_055))


@pytest.mark.parametrize("neither", [0.1, 0.6])
def test_equal_models_rarely_get_a_verdict_however_often_one_looks(neither: float) -> None:
    random = np.random.default_rng(3)
    scores_SN = random.choice([1, 0, -1], (1_000, 200), p=[(1 - neither) / 2, neither, (1 - neither) / 2])
    won_SN, lost_SN = (scores_SN == 1).cumsum(axis=1), (scores_SN == -1).cumsum(axis=1)
    zero_SN = np.zeros_like(won_SN)
    greatest_SN = np.maximum(log_evidence(won_SN, lost_SN, zero_SN), log_evidence(lost_SN, won_SN, zero_SN))
    assert 0.002 < (greatest_SN >= math.log(40)).any(axis=1).mean() <= 0.05


def test_the_interval_contains_the_true_score_at_every_look() -> None:
    random = np.random.default_rng(4)
    p = [0.5, 0.2, 0.3]
    scores_SN = random.choice([1, 0, -1], (1_000, 150), p=p)
    won_SN, zero_SN, lost_SN = ((scores_SN == score).cumsum(axis=1) for score in (1, 0, -1))
    above_SN = log_evidence(won_SN, lost_SN, zero_SN, 0.2) >= math.log(40)
    below_SN = log_evidence(lost_SN, won_SN, zero_SN, -0.2) >= math.log(40)
    assert 0.001 < (above_SN | below_SN).any(axis=1).mean() <= 0.05
    low = lowest_score(int(won_SN[0, -1]), int(lost_SN[0, -1]), int(zero_SN[0, -1]), 0.025)
    assert -0.3 < low < 0.2


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="error rate"):
        SequentialMcNemar(error_rate=0)
    with pytest.raises(ValueError, match="margin"):
        SequentialMcNemar(margin=0)
    with pytest.raises(ValueError, match="greater than or equal to 0"):
        TrialCounts(agreements=-1)
