"""Tunings and augmentation studies as records, and as sections of the page."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from core.recipes import recipe_config
from core.records.base import write_report
from core.records.lookup import report_path
from core.records.studies import AugmentationStudy, Tuning
from core.statistics.intervals import difference_of_proportions
from tests.training.tuning.test_report import NAME, made_up
from training.analysis.report.collect import RecordStore
from training.analysis.report.figures import plain_figures
from training.analysis.report.findings import Findings
from training.analysis.report.render import linked_figures, report_page
from training.analysis.report.studies import augmentation_studies, tunings
from training.plots.style import DARK, LIGHT, png
from training.tuning.ablation.augmentation import STEPS, step_config
from training.tuning.ablation.runner import RESULTS_NAME
from training.tuning.ablation.study_folder import study_folder


def tuning_of(home: Path) -> Tuning:
    (found,) = tunings(home, judged_on=5000)
    return found


def study_of(home: Path) -> AugmentationStudy:
    def settings(recipe: str, step: str) -> dict[str, Any]:
        return step_config(recipe_config(recipe).with_overrides({"epochs": 8}), step).model_dump(mode="json")

    runs = [
        {"recipe": recipe, "step": step, "seed": seed, "accuracy": 0.8 + 0.01 * rank + 0.001 * seed * (1 + rank),
         "seconds": 30.0, "config": settings(recipe, step)}
        for recipe in ("mlp_labels", "cnn_fast") for rank, step in enumerate(STEPS[:3]) for seed in range(3)
    ]  # fmt: skip
    folder = study_folder(home, "augmentation")
    folder.mkdir(parents=True)
    study = {"data_digest": "d" * 64, "split_digest": "e" * 64, "images": 8000, "teacher": None, "runs": runs}
    (folder / RESULTS_NAME).write_text(json.dumps(study))
    (found,) = augmentation_studies(home)
    return found


def test_tunings_yields_the_record_of_a_journal(tmp_path: Path) -> None:
    made_up(tmp_path, confirmed=(0.02, 0.021, 0.019))
    found = tuning_of(tmp_path)
    assert (found.name, found.recipe, found.architecture, found.trials, found.epochs) == (
        NAME,
        "mlp_labels",
        "mlp",
        12,
        4,
    )
    assert found.confirmed is not None
    assert found.confirmed.gain.value == pytest.approx(0.02)
    assert found.best > found.baseline
    assert found.changes
    relu = next(each for each in found.choices if (each.setting, each.value) == ("activation", "relu"))
    assert relu.accuracy == pytest.approx(0.5199)
    assert relu.difference == difference_of_proportions((2600, 5000), (2600, 5000))
    early = next(each for each in found.choices if each.value == "mse")
    assert early.epochs == 2
    assert Tuning.model_validate_json(found.model_dump_json()) == found


def test_diverged_choice_has_no_accuracy(tmp_path: Path) -> None:
    made_up(tmp_path, diverged=5)
    mse = next(each for each in tuning_of(tmp_path).choices if each.value == "mse")
    assert (mse.epochs, mse.accuracy, mse.difference) == (0, None, None)


def test_tunings_leaves_out_a_diverged_baseline(tmp_path: Path) -> None:
    made_up(tmp_path, diverged=0)
    assert list(tunings(tmp_path, judged_on=5000)) == []


def test_tunings_leaves_out_too_few_trials(tmp_path: Path) -> None:
    made_up(tmp_path, trials=2)
    assert list(tunings(tmp_path, judged_on=5000)) == []


def test_augmentation_studies_yields_the_record(tmp_path: Path) -> None:
    found = study_of(tmp_path)
    assert (found.name, found.seeds, found.epochs) == ("augmentation", 3, {"mlp_labels": 8, "cnn_fast": 8})
    assert found.minutes == pytest.approx(9)
    assert (found.images, found.settings) == (8000, {"mlp_labels": {}, "cnn_fast": {}})
    assert found.strengths == {"mlp_labels": {"translate": "3"}, "cnn_fast": {"translate": "4"}}
    flip = next(each for each in found.steps if (each.recipe, each.step) == ("cnn_fast", "+ flip"))
    assert flip.difference is not None
    assert flip.difference.value == pytest.approx(0.011)


def test_augmentation_studies_leaves_out_incomplete_seeds(tmp_path: Path) -> None:
    study_of(tmp_path)
    path = study_folder(tmp_path, "augmentation") / RESULTS_NAME
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"runs": content["runs"][:4]}))
    assert list(augmentation_studies(tmp_path)) == []


def test_record_store_leaves_out_studies_of_other_data(shipped: Findings, tmp_path: Path) -> None:
    manifest, study = shipped.first.manifest, study_of(tmp_path)
    for name, digest in (("same", manifest.data.digest), ("other", "0" * 64)):
        record = study.model_copy(update={"name": name, "data_digest": digest})
        write_report(report_path(tmp_path, "augmentation", name), record)
    found = RecordStore([tmp_path], quick=False).studies(AugmentationStudy, "augmentation", manifest)
    assert [each.name for each in found] == ["same"]


def test_report_page_has_a_figure_of_each_study(shipped: Findings, tmp_path: Path) -> None:
    made_up(tmp_path)
    findings = dataclasses.replace(shipped, tunings=(tuning_of(tmp_path),), augmentation=(study_of(tmp_path),))
    text = report_page(findings)
    assert "### Tuning of mlp_labels" in text
    assert "No tuning is recorded" not in text
    assert "No augmentation study" not in text
    assert "### Augmentation of mlp_labels and cnn_fast\n" in text
    figures = plain_figures(findings)
    wanted = [name for name in linked_figures(text) if name.startswith(("choices-", "steps-"))]
    assert wanted == [f"choices-{NAME}", "steps-augmentation"]
    for name, draw in figures.items():
        drawn = draw(LIGHT)
        for axes in drawn.axes:
            assert axes.get_xlabel() or axes.get_ylabel() or drawn.get_supxlabel(), name
        if name in wanted:
            assert png(drawn) != png(draw(DARK))
