"""Error budget of the gate: levels, numbers of attempts, and the best champion so far."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from core.gate import costs as gate_costs
from core.gate.best_champion import best_champion
from core.gate.decide import decide
from core.gate.error_budget import attempt_at, attempt_level, attempt_of
from core.gate.promotion import assess, promote_on_evidence
from core.gate.report import GateThresholds
from core.repository.champions import promote
from core.repository.repository import ModelRepository
from tests.support.holdouts import costs, evidence, rights, verdict_of, write_judged_version
from tests.support.versions import make_manifest, write_aliases, write_version

DEFAULTS = GateThresholds()


def test_levels_of_any_number_of_attempts_stay_within_the_budget() -> None:
    assert attempt_level(0.05, 1) == 0.025
    total = sum(attempt_level(0.05, number) for number in range(1, 100_000))
    assert 0.0499 < total < 0.05
    levels = [attempt_level(0.05, number) for number in range(1, 50)]
    assert all(later < earlier for earlier, later in itertools.pairwise(levels))


def test_same_gain_passes_as_first_and_not_as_tenth_attempt() -> None:
    """Eight more images of 2,000 are correct and none is lost: p is 2/256."""
    champion, candidate = evidence(1, rights(50, 50, 50, 50)), evidence(2, rights(42, 50, 50, 50))
    first, tenth = (
        decide(champion, candidate, costs(), DEFAULTS, attempt=attempt_at(DEFAULTS.significance, number))
        for number in (1, 10)
    )
    assert (first.passed, first.ground) == (True, "significant_gain")
    assert (tenth.passed, tenth.ground) == (False, "not_better")
    assert tenth.attempt is not None
    assert (tenth.attempt.number, tenth.attempt.level) == (10, 0.05 / 110)
    assert verdict_of(tenth, "gain").limit == pytest.approx(2 * 0.05 / 110)
    assert "attempt 10 is 0.00091: no significant gain" in verdict_of(tenth, "gain").sentence


def test_non_inferiority_interval_widens_with_the_attempts() -> None:
    champion, candidate = evidence(1, rights(50, 50, 50, 50)), evidence(2, rights(51, 51, 51, 51))
    lows = []
    for number in (1, 2, 10):
        report = decide(champion, candidate, costs(0.5), DEFAULTS, attempt=attempt_at(0.05, number))
        interval = verdict_of(report, "non_inferiority").interval
        assert interval is not None
        lows.append(interval.low)
    assert lows[0] > lows[1] > lows[2]


def test_report_states_power_and_sample_size() -> None:
    report = decide(evidence(1, rights(50, 50, 50, 50)), evidence(2, rights(48, 50, 50, 50)), costs(), DEFAULTS)
    assert report.power is not None
    assert report.power.discordant_share == 2 / 2_000
    assert report.power.detectable_gain is None
    assert report.power.images_for_gain == 7_847  # (1.96 sqrt(0.001) + 0.84 sqrt(0.001 - 1e-6))^2 / 1e-6
    assert "the measured gain, if it is true, needs 7,847 images for that" in report.power.sentence
    worse = decide(evidence(1, rights(50, 50, 50, 50)), evidence(2, rights(90, 90, 50, 50)), costs(), DEFAULTS)
    assert worse.power is not None
    assert worse.power.images_for_gain is None
    assert worse.power.detectable_gain is not None


def test_cheaper_version_is_compared_with_the_most_accurate_champion() -> None:
    """Four images fewer than the champion are accepted at a lower cost, eight fewer than the best one are not."""
    best, champion = evidence(1, rights(50, 50, 50, 50)), evidence(2, rights(51, 51, 51, 51))
    candidate = evidence(3, rights(52, 52, 52, 52))
    alone = decide(champion, candidate, costs(0.5), DEFAULTS)
    assert (alone.passed, alone.best_champion, alone.best_comparison) == (True, 2, None)
    assert alone.best_after == 2
    report = decide(champion, candidate, costs(0.5), DEFAULTS, best=(candidate, best))
    assert (report.passed, report.ground, report.best_champion) == (False, "not_better", 1)
    sentence = verdict_of(report, "non_inferiority").sentence
    assert sentence.startswith("against cnn@1, the most accurate champion so far, at the low end of the 95 % interval")
    assert report.best_comparison is not None
    assert report.best_comparison.only_second_right == 8
    assert report.best_after == 1
    better = evidence(4, rights(20, 20, 20, 20))
    assert decide(champion, better, costs(), DEFAULTS, best=(better, best)).best_after == 4


def test_attempt_number_counts_versions_on_the_same_data(tmp_path: Path) -> None:
    repository = ModelRepository(tmp_path / "home" / "models", tmp_path / "shipped")
    data = make_manifest().data
    for version in (1, 2, 5, 6, 7):
        trained_on = data.model_copy(update={"name": "others" if version == 2 else data.name})
        write_version(repository.home_models / "cnn" / str(version), "cnn", version, data=trained_on)

    def number(version: int, champion: int) -> int:
        return attempt_of(repository, repository.manifest("cnn", version), champion, 0.05).number

    assert number(5, 1) == 3  # the deleted versions 3 and 4 count, version 2 of another data set does not
    assert number(6, 5) == 4
    assert number(7, 5) == 5
    assert number(1, 7) == 5  # like the newest version
    assert number(1, 1) == 1


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelRepository:
    """Wrong images of each class: champion cnn@1 two, cnn@2 four, cnn@3 six, cnn@4 none."""
    monkeypatch.setattr(gate_costs, "CPU_SECONDS", 0.02)
    repository = ModelRepository(tmp_path / "home" / "models", tmp_path / "shipped")
    for version, wrong in ((1, 2), (2, 4), (3, 6), (4, 0)):
        write_judged_version(repository.home_models, version, wrong=wrong)
    write_aliases(repository.home_models, cnn=1)
    return repository


def force(repository: ModelRepository, version: int) -> None:
    promote_on_evidence(
        repository,
        "cnn",
        version,
        policy="always",
        thresholds=DEFAULTS,
        actor="ada",
        reason="of the tests",
    )


def test_best_champion_is_followed_through_the_audit_trail(repository: ModelRepository) -> None:
    assert best_champion(repository, "cnn", 1) == 1
    force(repository, 2)
    assert best_champion(repository, "cnn", 2) == 1
    report = assess(repository, "cnn", 3, DEFAULTS)
    assert (report.champion, report.best_champion) == (2, 1)
    assert report.attempt is not None
    assert report.attempt.number == 2
    force(repository, 3)
    assert best_champion(repository, "cnn", 3) == 1
    force(repository, 4)
    assert best_champion(repository, "cnn", 4) == 4


def test_deleted_best_champion_is_replaced_by_the_champion(repository: ModelRepository) -> None:
    force(repository, 2)
    (repository.home_models / "cnn" / "1").rename(repository.home_models / "removed")
    assert best_champion(repository, "cnn", 2) == 2
    assert assess(repository, "cnn", 3, DEFAULTS).best_champion == 2


def test_promotion_without_a_report_starts_with_its_version(repository: ModelRepository) -> None:
    promote(repository, "cnn", 2, actor="ada", reason="without evidence", evidence={"gate": {"passed": True}})
    assert best_champion(repository, "cnn", 2) == 2
