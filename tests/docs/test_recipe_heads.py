"""Figures in the recipes' heads, the lab notes and training.md against the records of trained versions."""

import importlib
from pathlib import Path

import pytest

from core.recipes import RECIPES, RecipeConfig, recipe_config
from core.repository.evaluation import read_evaluation
from core.repository.manifest import Manifest, read_manifest

ROOT = Path(__file__).parents[2]
RECORDS = [
    *(path.parent for path in ROOT.glob("models/*/*/manifest.json")),
    *(path.parent for path in ROOT.glob("docs/evidence/*_*/manifest.json")),
]
MANIFESTS = [read_manifest(folder) for folder in sorted(RECORDS)]
MAX_HEAD_LINES = 6
DECIDED_BY_A_RUN = {"include_validation", "distillation.teacher", "seed", "precision"}


TEACHER = read_manifest(ROOT / "docs" / "evidence" / "teacher")


def reference(manifest: Manifest) -> str:
    return f"{manifest.reference} ({manifest.recipe})"


def head(recipe: str) -> str:
    text = importlib.import_module(f"core.recipes.{recipe}").__doc__
    assert text
    return " ".join(text.split())


def notes(recipe: str) -> str:
    """The section of a recipe in docs/lab-notes.md, on one line."""
    sections = (ROOT / "docs" / "lab-notes.md").read_text().split("\n## ")[1:]
    (section,) = (section for section in sections if section.splitlines()[0] == recipe)
    return " ".join(section.split())


def percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def test_head_without_record_states_it() -> None:
    without = set(RECIPES) - {manifest.recipe for manifest in MANIFESTS}
    assert without == {"cnn_distilled", "photo"}
    assert "cnn@1, which no longer ships" in head("cnn_baseline")
    assert "not measured yet (no version has been trained)" in head("cnn_distilled")


@pytest.mark.parametrize("recipe", RECIPES)
def test_head_is_short_and_lab_notes_have_a_section(recipe: str) -> None:
    text = importlib.import_module(f"core.recipes.{recipe}").__doc__
    assert text
    assert len([line for line in text.splitlines() if line.strip()]) <= MAX_HEAD_LINES
    assert "docs/lab-notes.md" in text
    assert notes(recipe)


@pytest.mark.parametrize("manifest", MANIFESTS, ids=reference)
def test_lab_notes_have_the_calibration_error_of_the_version(manifest: Manifest) -> None:
    text, error = notes(manifest.recipe), 100 * manifest.metrics.test_ece
    assert any(f"{error:.{digits}f} %" in text for digits in (1, 2))


@pytest.mark.parametrize("manifest", MANIFESTS, ids=reference)
def test_head_has_the_figures_of_the_version(manifest: Manifest) -> None:
    text = head(manifest.recipe)
    assert f"{percent(manifest.metrics.test_accuracy)} of the test images right from one view" in text
    command = "include_validation=true" in text
    assert command == ("validation" in manifest.data.trained_on)


@pytest.mark.parametrize("manifest", MANIFESTS, ids=reference)
def test_training_table_has_the_figure(manifest: Manifest) -> None:
    (row,) = (
        line
        for line in (ROOT / "docs" / "training.md").read_text().splitlines()
        if line.startswith(f"| `{manifest.recipe}` |")
    )
    assert row.endswith(f"| {percent(manifest.metrics.test_accuracy)} |")


@pytest.mark.parametrize("manifest", MANIFESTS, ids=reference)
def test_recipe_equals_the_config_of_its_record(manifest: Manifest) -> None:
    trained = RecipeConfig.model_validate(manifest.config)
    changed = recipe_config(manifest.recipe).differences(trained).keys()
    assert changed <= DECIDED_BY_A_RUN


@pytest.mark.parametrize("manifest", MANIFESTS, ids=reference)
def test_head_six_view_accuracy_equals_the_record(manifest: Manifest) -> None:
    text = head(manifest.recipe)
    averaged = manifest.averaged_views.get("fp32")
    correct = averaged is not None and f"{percent(averaged.test_accuracy.value)} with six views averaged" in text
    assert ("six views averaged" in text) == correct


def test_mlp_best_with_teacher_took_under_two_hours() -> None:
    (manifest,) = (each for each in MANIFESTS if each.recipe == "mlp_best")
    learnt = RecipeConfig.model_validate(manifest.config).distillation
    assert learnt.teacher == TEACHER.reference
    minutes = [
        TEACHER.cost.training_seconds / 60,
        (manifest.cost.teacher_seconds or 0.0) / 60,
        manifest.cost.training_seconds / 60,
    ]
    assert min(minutes) > 0
    assert sum(minutes) <= 120
    assert f"after {sum(minutes):.0f} minutes" in head("mlp_best")
    text = notes("mlp_best")
    parts = "{:.0f} minutes of epochs of the teacher, {:.0f} minutes of its predictions and {:.0f} minutes of epochs of"
    assert parts.format(*minutes) in text
    coverage = read_evaluation(ROOT / "models" / "mlp" / str(manifest.version)).scores["fp32"].prediction_sets.coverage
    assert f"contain the true class for {percent(coverage.value)}" in text


def test_lab_notes_and_readme_have_the_accuracy_of_the_teacher() -> None:
    accuracy = TEACHER.metrics.test_accuracy
    assert f"which has {percent(accuracy)} after training on 40,000" in notes("mlp_best")
    assert f"{accuracy:.2%} of the test images" in (ROOT / "README.md").read_text()
    assert TEACHER.data.trained_on == ("train",)


def test_evidence_table_has_every_record_with_its_figure() -> None:
    rows = (ROOT / "docs" / "evidence" / "README.md").read_text().splitlines()
    for folder in sorted(path.parent for path in ROOT.glob("docs/evidence/*/manifest.json")):
        (row,) = (line for line in rows if f"]({folder.name}/manifest.json)" in line)
        assert row.endswith(f"| {percent(read_manifest(folder).metrics.test_accuracy)} |")
