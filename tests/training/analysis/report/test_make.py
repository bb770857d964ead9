"""Records are measured once, and again if they belong to other weights or settings."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import numpy as np
import pytest
from rich.console import Console
from rich.progress import Progress

from core.errors import ConfigurationError, DataError, DifferentImagesError
from core.records.base import read_report, write_report
from core.records.explanations import Activations
from core.records.latency import Latency
from core.records.lookup import NAMES, find_report, report_path
from core.records.robustness import Robustness
from core.records.studies import Exploration
from core.records.training_fit import TrainingFit
from core.repository.manifest import GRAPHS
from tests.support.published_pair import PublishedPair
from training.analysis.interpret.activations import Model
from training.analysis.interpret.commands import Work
from training.analysis.mistakes.find import VersionPredictions
from training.analysis.report import make, write
from training.analysis.report.collect import class_transfer, collect, duplicate_effect, together
from training.analysis.report.make import BATCHES, ReportContext, make_missing, measure_latency
from training.analysis.report.render import html, report_page
from training.analysis.report.write import (
    SOURCES_NAME,
    Report,
    Sources,
    make_report,
    sources,
    write_docs,
    write_page,
    write_records,
)
from training.data.test_subset import stratified
from training.evaluation.training_fit import QUICK_IMAGES
from training.export.run_onnx import predict_logits

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def context(
    pair: PublishedPair, models: tuple[Model, Model], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ReportContext]:
    home = tmp_path_factory.mktemp("report-home")
    layers = (home / "reports", home / "shipped")
    work = Work(models, pair.images, layers[0], threads=1, quick=True)
    with Progress(console=Console(quiet=True)) as progress, pytest.MonkeyPatch.context() as patch:
        patch.setattr(make, "_QUICK_SECONDS", 0.0)
        made = ReportContext(work, layers, home, progress, note=lambda _: None)
        make_missing(made)
        yield made


@pytest.fixture(scope="module")
def report(context: ReportContext) -> Report:
    return make_report(context)


def forbid(monkeypatch: pytest.MonkeyPatch, module: ModuleType, *names: str) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("made again")

    for name in names:
        monkeypatch.setattr(module, name, never)


def of(context: ReportContext, first: Model, second: Model) -> ReportContext:
    return dataclasses.replace(context, work=dataclasses.replace(context.work, models=(first, second)))


@pytest.mark.full
def test_make_missing_keeps_current_records(context: ReportContext, monkeypatch: pytest.MonkeyPatch) -> None:
    forbid(
        monkeypatch,
        make,
        "measure_robustness",
        "measure_training_fit",
        "measure_latency",
        "record_explanations",
        "record_mistakes",
        "record_activations",
        "find",
    )
    make_missing(context)


def test_record_of_other_weights_is_measured_again(context: ReportContext, pair: PublishedPair) -> None:
    found = find_report(Robustness, [pair.cnn], context.layers, quick=True)
    assert found is not None
    stale = found.record.model_copy(update={"model": found.record.model.model_copy(update={"weights": "0" * 64})})
    write_report(found.path, stale)
    make_missing(context)
    again = find_report(Robustness, [pair.cnn], context.layers, quick=True)
    assert again is not None
    assert again.record == found.record
    assert not list(found.path.parent.glob("*.partial.jsonl"))


def without_class_objective(record: dict[str, Any]) -> None:
    del record["class_objective"]


def with_moved_maps_only(record: dict[str, Any]) -> None:
    del record["settings"]["controls"]
    record["settings"]["moved_maps"] = 1


@pytest.mark.parametrize(
    ("kind", "references", "change", "note"),
    [
        ("activations", ("mlp@1", "cnn@1"), without_class_objective, "maximize another objective: made again"),
        ("explanations", ("cnn@1",), with_moved_maps_only, "were measured with other settings: measured again"),
    ],
)
def test_record_with_other_settings_is_made_again(
    context: ReportContext,
    monkeypatch: pytest.MonkeyPatch,
    kind: Literal["activations", "explanations"],
    references: tuple[str, ...],
    change: Callable[[dict[str, Any]], None],
    note: str,
) -> None:
    path = report_path(context.work.folder, kind, *references, quick=True)
    text = path.read_text()
    change(older := json.loads(text))
    path.write_text(json.dumps(older))
    made_again: list[str] = []
    notes: list[str] = []
    monkeypatch.setattr(make, f"record_{kind}", lambda *_: made_again.append(kind))
    make_missing(dataclasses.replace(context, note=notes.append))
    path.write_text(text)
    assert made_again == [kind]
    assert notes == [f"the {kind} of {' and '.join(references)} {note}"]


def test_robustness_without_ood_images_is_measured_again(
    context: ReportContext, pair: PublishedPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = find_report(Robustness, [pair.mlp], context.layers, quick=True)
    assert found is not None
    write_report(found.path, found.record.model_copy(update={"strange": None}))
    monkeypatch.setattr(make, "measure_robustness", lambda *_, **__: found.record)
    notes: list[str] = []
    make_missing(dataclasses.replace(context, note=notes.append))
    assert notes == ["the robustness of mlp@1 lacks calibration or out-of-distribution images: measured again"]
    assert read_report(found.path, Robustness) == found.record


def test_damaged_record_is_noted_and_measured_again(context: ReportContext, pair: PublishedPair) -> None:
    latency = report_path(context.work.folder, "latency", "mlp@1", quick=True)
    exploration = report_path(context.work.folder, "exploration", pair.images.dataset.name)
    for path in (exploration, latency):
        path.write_text("{}")
    notes: list[str] = []
    make_missing(dataclasses.replace(context, note=notes.append))
    for path, note in zip((exploration, latency), notes, strict=True):
        assert f"{path.name} is not a valid record" in note
        assert note.endswith("measuring it again")
    assert "timings" in latency.read_text()
    assert context.records.exploration(pair.mlp) is not None


def test_latencies_of_two_machines_are_measured_again(context: ReportContext, pair: PublishedPair) -> None:
    other = context.records.find(Latency, pair.mlp).model_copy(update={"cpu": "the processor of another machine"})
    write_report(report_path(context.work.folder, "latency", "mlp@1", quick=True), other)
    notes: list[str] = []
    make_missing(dataclasses.replace(context, note=notes.append))
    assert [note for note in notes if "different machines" in note]
    one, two = (context.records.find(Latency, manifest) for manifest in (pair.mlp, pair.cnn))
    assert one.cpu == two.cpu != other.cpu


def test_collect_missing_record_names_the_command(
    context: ReportContext, evaluated: tuple[VersionPredictions, VersionPredictions], tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=r"no activations of mlp@1 cnn@1 .*make it with `duet report`"):
        collect(*evaluated, dataclasses.replace(context.records, layers=[tmp_path]))


def test_report_on_different_data_is_refused_before_measuring(
    context: ReportContext, pair: PublishedPair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = pair.cnn.data.digest
    folder = shutil.copytree(pair.folder(pair.cnn), tmp_path / "1")
    path = folder / "evaluation.json"
    path.write_text(path.read_text().replace(mine, "c" * 64))
    forbid(monkeypatch, write, "make_missing")
    with pytest.raises(DifferentImagesError, match=f"{mine}.*{'c' * 64}"):
        make_report(of(context, context.work.models[0], Model(pair.cnn, folder)))


def test_report_on_one_version_twice_is_refused(context: ReportContext, monkeypatch: pytest.MonkeyPatch) -> None:
    _, cnn = context.work.models
    forbid(monkeypatch, write, "make_missing")
    with pytest.raises(ConfigurationError, match="cnn@1 was named twice"):
        make_report(of(context, cnn, cnn))


def test_together_counts_agreement_of_predictions(
    evaluated: tuple[VersionPredictions, VersionPredictions],
) -> None:
    first, second = evaluated
    found = together(first, second)
    one, other, labels = first.predictions.predicted(), second.predictions.predicted(), first.predictions.labels
    assert found.right_when_agreed is not None
    assert found.right_when_agreed.value == pytest.approx((labels == one)[one == other].mean())
    assert found.second_right_when_sure is not None
    surest = np.argsort(-second.predictions.probabilities["fp32"].max(axis=1), kind="stable")[: (one == other).sum()]
    assert found.second_right_when_sure.value == pytest.approx((labels == other)[surest].mean())


@pytest.mark.full
def test_make_report_writes_page_and_docs(report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = write_page(report, tmp_path / "out")
    assert page.read_text(encoding="utf-8") == html(report.text, report.figures)
    assert report.text == report_page(report.findings)
    assert "**Quick report**" in report.text
    assert "No tuning is recorded. Run `duet tune" in report.text

    docs = tmp_path / "docs"
    (docs / "findings").mkdir(parents=True)
    (docs / "findings" / "stale.svg").write_text("")
    monkeypatch.setattr(write, "findings_page", lambda _: "![curves](findings/curves.svg)\n")
    write_docs(report, docs)
    assert (docs / "findings.md").read_text(encoding="utf-8") == "![curves](findings/curves.svg)\n"
    assert {path.name for path in (docs / "findings").iterdir()} == {"curves.svg", SOURCES_NAME}
    assert read_report(docs / "findings" / SOURCES_NAME, Sources) == sources(report.findings, docs / "findings")


def test_write_docs_with_a_broken_claim_writes_nothing(report: Report, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"contradict \d+ claims|no figure for this placeholder"):
        write_docs(report, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_write_records_reproduces_the_findings(
    context: ReportContext, evaluated: tuple[VersionPredictions, VersionPredictions], tmp_path: Path
) -> None:
    findings = collect(*evaluated, context.records)
    (tmp_path / "robustness").mkdir()
    (tmp_path / "robustness" / "old@1.json").write_text("")
    for kept in ("corrupted_holdout", "label_free"):
        (tmp_path / kept).mkdir()
        (tmp_path / kept / "old@1.json").write_text("not in the findings")
    write_records(findings, tmp_path)
    for kept in ("corrupted_holdout", "label_free"):
        assert (tmp_path / kept / "old@1.json").read_text() == "not in the findings"
    assert not (tmp_path / "robustness" / "old@1.json").exists()
    assert collect(*evaluated, dataclasses.replace(context.records, layers=[tmp_path])) == findings
    assert {path.name for path in tmp_path.iterdir()} == {*NAMES.values(), "exploration"}


def test_dataset_with_another_split_is_another_dataset(context: ReportContext, pair: PublishedPair) -> None:
    found = context.records.exploration(pair.cnn)
    assert isinstance(found, Exploration)
    data = pair.cnn.data.model_copy(update={"split_digest": "0" * 64})
    assert context.records.exploration(pair.cnn.model_copy(update={"data": data})) is None


def test_latency_of_every_graph_and_batch_size(pair: PublishedPair) -> None:
    record = measure_latency(pair.cnn, pair.folder(pair.cnn), quick=True)
    assert record.model.reference == "cnn@1"
    assert record.cpu
    measured = {(each.precision, each.batch) for each in record.timings}
    assert measured == {(precision, batch) for precision in pair.cnn.calibration for batch in BATCHES}
    for each in record.timings:
        assert 0 < each.ms.low <= each.ms.value <= each.ms.high
        assert each.runs >= 10
    assert record.of("fp32", 1) is not None
    assert record.of("fp32", 7) is None


def test_transfer_treats_classes_as_units(context: ReportContext, pair: PublishedPair) -> None:
    record = context.records.find(Activations, pair.mlp, pair.cnn)
    found = class_transfer(record)
    assert found.first.value == pytest.approx(record.models[0].transfer)
    assert found.difference.value == pytest.approx(record.models[0].transfer - record.models[1].transfer)
    # Four copies of each image are no new evidence.
    copied = record.model_copy(
        update={"models": tuple(each.model_copy(update={"images": 4 * each.images}) for each in record.models)}
    )
    assert class_transfer(copied) == found


def test_duplicate_effect_compares_with_the_images_that_are_left(
    evaluated: tuple[VersionPredictions, VersionPredictions],
) -> None:
    version = evaluated[1]
    right_N = version.predictions.predicted() == version.predictions.labels
    chosen = [0, 3, 4]
    effect = duplicate_effect(version, chosen)
    assert effect is not None
    left_N = np.delete(right_N, chosen)
    assert effect.on_duplicates.value == right_N[chosen].mean()
    assert effect.without.value == pytest.approx(left_N.mean())
    assert effect.difference.value == pytest.approx(right_N.mean() - left_N.mean())
    assert duplicate_effect(version, []) is None


def test_training_fit_is_the_accuracy_on_unchanged_training_images(context: ReportContext, pair: PublishedPair) -> None:
    record = context.records.find(TrainingFit, pair.cnn)
    part = pair.images.part(*pair.cnn.data.trained_on)
    chosen = stratified(part.labels_N, QUICK_IMAGES)
    logits_NK = predict_logits(pair.folder(pair.cnn) / GRAPHS["fp32"], part.images_NHWC[chosen], threads=1)
    assert record.accuracy.value == pytest.approx((logits_NK.argmax(axis=1) == part.labels_N[chosen]).mean())
    assert record.data.images == len(chosen)


def test_exploration_has_the_positions_of_near_duplicates(context: ReportContext, pair: PublishedPair) -> None:
    record = context.records.exploration(pair.mlp)
    assert record is not None
    assert record.near_test_positions is not None
    assert len(record.near_test_positions) == record.near_test_images
