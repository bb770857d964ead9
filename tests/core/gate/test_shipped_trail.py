"""Audit trail of the versions that ship: the gate reproduces the recorded report of every entry."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.files.home import shipped_models
from core.gate import promotion
from core.gate.costs import Costs, Latency
from core.gate.promotion import promote_on_evidence
from core.gate.report import GateReport
from core.repository.alias_files import Promotion, read_aliases, read_trail
from core.repository.repository import ModelRepository
from core.statistics.intervals import ConfidenceInterval
from tests.support.holdouts import verdict_of

MODELS = shipped_models()
MEASURED = {"latency", "cheaper", "size", "calibration", "corrupted_accuracy", "corrupted_flags"}
"""Verdicts whose sentences contain the latency of the recording machine, or bootstrap intervals."""


def shipped_trail() -> list[Promotion]:
    return read_trail(MODELS, read_aliases(MODELS))


def report_of(entry: Promotion) -> GateReport:
    assert entry.evidence is not None, f"entry {entry.entry} has no report of the gate"
    return GateReport.model_validate(entry.evidence["gate"])


def recorded_costs(report: GateReport) -> Costs:
    """Latency and size ratios of the report; the bytes are those of a champion of one megabyte."""
    latency, size = verdict_of(report, "latency"), verdict_of(report, "size")
    assert latency.value is not None
    assert latency.interval is not None
    assert size.value is not None
    ratio = ConfidenceInterval(value=latency.value, low=latency.interval.low, high=latency.interval.high)
    return Costs(Latency(ratio, latency.value, 1.0), round(1e6 * size.value), 1_000_000)


def test_shipped_champions_are_those_of_the_trail() -> None:
    champions: dict[str, int] = {}
    for entry in shipped_trail():
        assert entry.from_version == champions.get(entry.family)
        assert entry.to_version is not None
        champions[entry.family] = entry.to_version
    assert champions == read_aliases(MODELS).champions


def test_promotion_against_the_gate_is_recorded_as_forced() -> None:
    for entry in shipped_trail():
        assert entry.evidence is not None
        assert entry.evidence["forced"] is not report_of(entry).passed
    [forced] = [entry for entry in shipped_trail() if (entry.family, entry.to_version) == ("cnn", 4)]
    assert forced.evidence is not None
    assert (forced.from_version, forced.evidence["forced"]) == (3, True)
    assert "without the gate" in forced.reason


def test_gate_reproduces_the_recorded_reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replay the trail in a repository without champions; recorded costs replace measurements."""
    layer = tmp_path / "models"
    layer.mkdir()
    for family in {entry.family for entry in shipped_trail()}:
        (layer / family).symlink_to(MODELS / family)
    (layer / "reports").symlink_to(MODELS / "reports")
    repository = ModelRepository(layer, layer)
    for entry in shipped_trail():
        recorded = report_of(entry)
        monkeypatch.setattr(promotion, "measure_costs", lambda *_, report=recorded: recorded_costs(report))
        assert entry.to_version is not None
        decision = promote_on_evidence(
            repository,
            entry.family,
            entry.to_version,
            policy="if_better",
            thresholds=recorded.thresholds,
            actor=entry.actor,
            reason=entry.reason,
            force=bool(entry.evidence and entry.evidence["forced"]),
        )
        report = decision.report
        assert decision.promotion is not None
        assert (report.passed, report.ground) == (recorded.passed, recorded.ground)
        assert report.comparison == recorded.comparison
        assert report.holdouts == recorded.holdouts
        assert report.classes == recorded.classes
        assert (report.attempt, report.power) == (recorded.attempt, recorded.power)
        assert (report.best_champion, report.best_comparison) == (recorded.best_champion, recorded.best_comparison)
        verdicts = {verdict.name: verdict for verdict in report.verdicts}
        for old in recorded.verdicts:  # an old report has fewer
            verdict = verdicts[old.name]
            assert verdict.passed == old.passed
            assert verdict.value == pytest.approx(old.value, abs=1e-6)
            if verdict.name not in MEASURED:
                assert verdict.sentence == old.sentence
    assert repository.champions() == read_aliases(MODELS).champions
