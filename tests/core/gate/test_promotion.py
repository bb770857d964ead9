"""Promotion through the gate: promotion, refusal and audit trail of versions on disk."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import ChampionMovedError, CorruptVersionError, UnknownVersionError
from core.gate import costs, promotion
from core.gate.promotion import Decision, Policy, assess, promote_on_evidence
from core.gate.report import GateReport, GateThresholds
from core.records.base import write_report
from core.records.corrupted_holdout import CORRUPTED_HOLDOUT_NAME
from core.records.lookup import report_path
from core.repository.champions import history, promote
from core.repository.manifest import DataRecord, Manifest
from core.repository.predictions import PREDICTIONS_NAME
from core.repository.repository import ModelRepository
from tests.support.holdouts import (
    GRAY_LABELS_N,
    Rights,
    corrupted_record,
    predictions_file,
    verdict_of,
    write_judged_version,
)
from tests.support.onnx_models import CLASSES, write_onnx_version
from tests.support.processes import run_together
from tests.support.versions import make_manifest, write_aliases

THRESHOLDS = GateThresholds()


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costs, "CPU_SECONDS", 0.02)


@pytest.fixture
def repository(tmp_path: Path) -> ModelRepository:
    """Accuracies: champion cnn@1 75 %, cnn@2 95 %, cnn@3 75 %, cnn@4 100 %."""
    repository = ModelRepository(tmp_path / "home" / "models", tmp_path / "shipped")
    for version, wrong in ((1, 10), (2, 2), (3, 10), (4, 0)):
        write_judged_version(repository.home_models, version, wrong=wrong)
    write_aliases(repository.home_models, cnn=1)
    return repository


def decide(repository: ModelRepository, version: int, policy: Policy = "if_better", *, force: bool = False) -> Decision:
    return promote_on_evidence(
        repository,
        "cnn",
        version,
        policy=policy,
        thresholds=THRESHOLDS,
        actor="ada",
        reason="of the tests",
        force=force,
    )


def test_better_version_is_promoted_with_a_report(repository: ModelRepository) -> None:
    decision = decide(repository, 2)
    assert repository.champion("cnn") == 2
    assert decision.report.ground == "significant_gain"
    [entry] = history(repository)
    assert entry == decision.promotion
    assert entry.evidence is not None
    assert (entry.evidence["policy"], entry.evidence["forced"]) == ("if_better", False)
    assert GateReport.model_validate(entry.evidence["gate"]) == decision.report


def test_version_without_gain_is_refused(repository: ModelRepository) -> None:
    decision = decide(repository, 3)
    assert (decision.report.ground, decision.promotion) == ("not_better", None)
    assert (repository.champion("cnn"), history(repository)) == (1, [])


def test_policy_always_promotes_and_never_only_reports(repository: ModelRepository) -> None:
    assert decide(repository, 2, "never").report.passed
    assert repository.champion("cnn") == 1
    assert decide(repository, 2, "never", force=True).promotion is None
    assert decide(repository, 3, "always").promotion is not None
    assert repository.champion("cnn") == 3


def test_force_promotes_past_the_gate_and_is_logged(
    repository: ModelRepository, caplog: pytest.LogCaptureFixture
) -> None:
    assert decide(repository, 3, force=True).promotion is not None
    [entry] = history(repository)
    assert entry.evidence is not None
    assert entry.evidence["forced"] is True
    [record] = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "ada promoted cnn@3 past the gate (of the tests): cnn@3 may not replace cnn@1" in record.getMessage()
    # A promotion that passes the gate is not recorded as forced, even with force=True.
    assert (decide(repository, 2, force=True).promotion or entry).evidence["forced"] is False  # type: ignore[index]


def test_first_version_above_the_floor_is_promoted(repository: ModelRepository) -> None:
    (repository.home_models / "aliases.json").unlink()
    decision = decide(repository, 3)
    assert repository.champion("cnn") == 3
    assert (decision.report.passed, decision.report.ground) == (True, "no_champion")
    assert decision.report.summary.startswith("cnn@3 may be promoted: cnn has no champion, and 75.00% of 200 holdout")
    assert verdict_of(decision.report, "accuracy_floor").passed
    assert decision.report.holdouts["cnn@3"].images == 200
    [entry] = history(repository)
    assert entry.evidence is not None
    assert entry.evidence["forced"] is False


def test_first_version_below_the_floor_needs_force(
    repository: ModelRepository, caplog: pytest.LogCaptureFixture
) -> None:
    """cnn@5 gets 20 % of five equally frequent classes right: that is chance."""
    (repository.home_models / "aliases.json").unlink()
    write_judged_version(repository.home_models, 5, wrong=32)
    decision = decide(repository, 5)
    assert (decision.promotion, decision.report.passed, decision.report.ground) == (None, False, "below_floor")
    assert repository.champion("cnn") is None
    assert decision.report.summary == (
        "cnn@5 may not be promoted, although cnn has no champion: 20.00% of 200 holdout images are correct (95 % "
        "interval 14.69% to 26.22%), chance is 20.00%, and the most frequent class, black, has 20.00% of the images: "
        "not significantly above the floor of 20.00%"
    )
    assert decide(repository, 5, "always").promotion is not None
    [entry] = history(repository)
    assert entry.evidence is not None
    assert (entry.evidence["forced"], entry.evidence["gate"]["ground"]) == (True, "below_floor")
    assert "ada promoted cnn@5 past the gate" in caplog.text
    assert decide(repository, 2).report.ground == "significant_gain"


def test_first_version_without_holdout_needs_force(repository: ModelRepository) -> None:
    (repository.home_models / "aliases.json").unlink()
    write_judged_version(repository.home_models, 5, extra_files={"predictions.npz": b"none"})
    report = decide(repository, 5).report
    assert (report.ground, report.passed) == ("not_comparable", False)
    assert "cnn@5 cannot be compared with chance: cnn@5: predictions.npz cannot be read" in report.summary
    assert decide(repository, 5, force=True).promotion is not None


def test_promote_champion_again_changes_nothing(repository: ModelRepository) -> None:
    decision = decide(repository, 1)
    assert decision.report.ground == "is_champion"
    assert decision.promotion is not None
    assert decision.promotion.entry == 0
    assert history(repository) == []


def test_other_classes_are_refused_unless_forced(repository: ModelRepository) -> None:
    write_judged_version(repository.home_models, 5, classes=("b", "a", "c", "d", "e"))
    report = decide(repository, 5).report
    assert (report.ground, repository.champion("cnn")) == ("not_comparable", 1)
    assert f"their classes differ (b, a, c, d, e; {', '.join(CLASSES)})" in report.summary
    assert decide(repository, 5, force=True).promotion is not None
    assert repository.champion("cnn") == 5


def other_data(**fields: Any) -> DataRecord:
    return make_manifest().data.model_copy(update=fields)


@pytest.mark.parametrize("data", [other_data(digest="e" * 64), other_data(split_digest="e" * 64)])
def test_another_holdout_is_refused_with_both_digests(repository: ModelRepository, data: DataRecord) -> None:
    write_judged_version(repository.home_models, 5, data=data)
    report = decide(repository, 5).report
    assert (report.ground, report.verdicts, repository.champion("cnn")) == ("not_comparable", (), 1)
    assert set(report.holdouts) == {"cnn@1", "cnn@5"}
    digests = {holdout.digest for holdout in report.holdouts.values()}
    assert len(digests) == 2
    assert all(digest in report.summary for digest in digests)


def test_other_images_with_equal_digests_are_detected(repository: ModelRepository) -> None:
    folder = repository.home_models / "cnn" / "5"
    content = predictions_file(folder, np.ones(199, bool), GRAY_LABELS_N[:199])
    write_onnx_version(folder, "cnn", 5, extra_files={"predictions.npz": content})
    assert decide(repository, 5).report.ground == "not_comparable"


@pytest.mark.parametrize(
    ("version", "sentence"), [(5, "cnn@5: predictions.npz cannot be read"), (2, "cnn@1: model.onnx: missing")]
)
def test_unreadable_versions_are_not_comparable(repository: ModelRepository, version: int, sentence: str) -> None:
    write_judged_version(repository.home_models, 5, extra_files={"predictions.npz": b"none"})
    if version == 2:
        (repository.home_models / "cnn" / "1" / "model.onnx").unlink()
    report = decide(repository, version).report
    assert (report.ground, repository.champion("cnn")) == ("not_comparable", 1)
    assert sentence in report.summary


@pytest.mark.parametrize("force", [False, True])
def test_damaged_candidate_is_refused_even_forced(repository: ModelRepository, force: bool) -> None:
    (repository.home_models / "cnn" / "2" / "weights.safetensors").write_bytes(b"x")
    with pytest.raises(CorruptVersionError, match=r"weights\.safetensors: 1 bytes"):
        decide(repository, 2, force=force)
    with pytest.raises(UnknownVersionError):
        decide(repository, 9, force=force)
    assert repository.champion("cnn") == 1


def test_champion_changed_meanwhile_is_the_new_baseline(
    repository: ModelRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """cnn@2 is better than cnn@1, but not than cnn@4, which another process promotes while the gate runs."""
    compared: list[int | None] = []

    def meanwhile(*arguments: Any) -> GateReport:
        report = assess(*arguments)
        compared.append(report.champion)
        if len(compared) == 1:
            promote(repository, "cnn", 4, actor="bob", reason="first")
        return report

    monkeypatch.setattr(promotion, "assess", meanwhile)
    decision = decide(repository, 2)
    assert compared == [1, 4]
    assert (decision.promotion, decision.report.ground) == (None, "not_better")
    assert [entry.to_version for entry in history(repository)] == [4]


def test_promote_over_a_missing_champion_is_an_error(repository: ModelRepository) -> None:
    with pytest.raises(ChampionMovedError, match="the champion of cnn changed from 4 to 1"):
        promote(repository, "cnn", 2, actor="ada", reason="late", over=4)
    assert history(repository) == []


def promote_it(folder: str, version: int) -> None:
    repository = ModelRepository(Path(folder) / "home" / "models", Path(folder) / "shipped")
    decide(repository, version)


@pytest.mark.slow
@pytest.mark.parametrize("round_", range(3))
def test_concurrent_promotions_are_serialized(repository: ModelRepository, tmp_path: Path, round_: int) -> None:
    """Two processes promote cnn@2 and cnn@4: cnn@4 ends as champion; cnn@2 is in the trail only if it was first."""
    run_together(promote_it, [(str(tmp_path), 2), (str(tmp_path), 4)])
    entries = history(repository)
    assert repository.champion("cnn") == 4
    assert [entry.to_version for entry in entries] in ([4], [2, 4])
    for entry in entries:
        assert entry.evidence is not None
        assert entry.evidence["gate"]["champion"] == entry.from_version
        assert entry.evidence["gate"]["passed"] is True


def write_record(folder: Path, manifest: Manifest, right_N: Rights) -> None:
    record = corrupted_record(manifest, right_N, np.zeros(len(right_N), bool))
    model = record.model.model_copy(update={"weights": manifest.files["weights.safetensors"].sha256})
    path = report_path(folder, "corrupted_holdout", manifest.reference)
    write_report(path, record.model_copy(update={"model": model}))


def test_later_measurements_are_in_the_reports_folder(tmp_path: Path) -> None:
    repository = ModelRepository(tmp_path / "home" / "models", tmp_path / "shipped")
    labels_N = GRAY_LABELS_N
    content = {PREDICTIONS_NAME: predictions_file(tmp_path / "made", np.ones(len(labels_N), bool), labels_N)}
    manifests = [
        write_onnx_version(models / "cnn" / str(version), "cnn", version, extra_files=content)
        for version, models in ((1, repository.shipped), (2, repository.home_models))
    ]
    write_aliases(repository.home_models, cnn=1)
    before = verdict_of(assess(repository, "cnn", 2, THRESHOLDS), "corrupted_accuracy")
    assert (before.value, before.passed) == (None, True)
    assert "cnn@2 and cnn@1" in before.sentence
    write_record(repository.shipped / "reports", manifests[0], np.ones(1_000, bool))
    write_record(tmp_path / "home" / "reports", manifests[1], np.arange(1_000) >= 100)
    after = verdict_of(assess(repository, "cnn", 2, THRESHOLDS), "corrupted_accuracy")
    assert after.value == pytest.approx(0.1)
    assert not after.passed
    # Records of other weights are of another version.
    files = {"weights.safetensors": manifests[1].files["model.onnx"]}
    other = manifests[1].model_copy(update={"files": files})
    write_record(tmp_path / "home" / "reports", other, np.ones(1_000, bool))
    assert verdict_of(assess(repository, "cnn", 2, THRESHOLDS), "corrupted_accuracy").value is None


def test_published_record_is_read_and_damage_reported(tmp_path: Path) -> None:
    repository = ModelRepository(tmp_path / "home" / "models", tmp_path / "shipped")
    right_N, labels_N = np.ones(len(GRAY_LABELS_N), bool), GRAY_LABELS_N
    content = {PREDICTIONS_NAME: predictions_file(tmp_path / "made", right_N, labels_N)}
    record = corrupted_record(make_manifest("cnn", 1), np.ones(40, bool), np.zeros(40, bool))
    for version, stored in ((1, record.model_dump_json()), (2, record.model_dump_json()), (3, "{}")):
        files = content | {CORRUPTED_HOLDOUT_NAME: stored.encode()}
        write_onnx_version(repository.home_models / "cnn" / str(version), "cnn", version, extra_files=files)
    write_aliases(repository.home_models, cnn=1)
    assert verdict_of(assess(repository, "cnn", 2, THRESHOLDS), "corrupted_flags").value == 0
    damaged = assess(repository, "cnn", 3, THRESHOLDS)
    assert damaged.ground == "not_comparable"
    assert CORRUPTED_HOLDOUT_NAME in damaged.summary
