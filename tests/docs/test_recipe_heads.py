"""What the recipes' files and the table of training.md claim is what the records of trained versions say."""

import importlib
from pathlib import Path

import pytest

from core.recipes import RECIPES, RecipeConfig, recipe_config
from core.repository.evaluation import read_evaluation
from core.repository.manifest import Manifest, read_manifest

ROOT = Path(__file__).parents[2]
RECORDS = [
    *(path.parent for path in ROOT.glob("models/*/*/manifest.json")),
    *(path.parent for path in ROOT.glob("docs/evidence/mlp_*/manifest.json")),
]
MANIFESTS = [read_manifest(folder) for folder in sorted(RECORDS)]
DECIDED_BY_A_RUN = {"include_validation", "distillation.teacher", "seed", "precision"}


TEACHER = read_manifest(ROOT / "docs" / "evidence" / "teacher")


def reference(manifest: Manifest) -> str:
    return f"{manifest.reference} ({manifest.recipe})"


def head(recipe: str) -> str:
    text = importlib.import_module(f"core.recipes.{recipe}").__doc__
    assert text
    return " ".join(text.split())


def percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def test_recipes_without_a_record_say_so() -> None:
    without = set(RECIPES) - {manifest.recipe for manifest in MANIFESTS}
    assert without == {"cnn_baseline", "cnn_robust"}
    assert "cnn@1, which no longer ships" in head("cnn_baseline")
    assert "not measured yet (no version has been trained)" in head("cnn_robust")


@pytest.mark.parametrize("manifest", MANIFESTS, ids=reference)
def test_a_head_has_the_figures_of_the_version_that_it_names(manifest: Manifest) -> None:
    text = head(manifest.recipe)
    assert f"{percent(manifest.metrics.test_accuracy)} of the test images right from one view" in text
    command = "include_validation=true" in text
    assert command == ("validation" in manifest.data.trained_on)


@pytest.mark.parametrize("manifest", MANIFESTS, ids=reference)
def test_the_table_of_training_has_the_figure_too(manifest: Manifest) -> None:
    (row,) = (
        line
        for line in (ROOT / "docs" / "training.md").read_text().splitlines()
        if line.startswith(f"| `{manifest.recipe}` |")
    )
    assert row.endswith(f"| {percent(manifest.metrics.test_accuracy)} |")


@pytest.mark.parametrize("manifest", MANIFESTS, ids=reference)
def test_a_recipe_is_what_its_record_was_trained_with(manifest: Manifest) -> None:
    trained = RecipeConfig.model_validate(manifest.config)
    changed = recipe_config(manifest.recipe).differences(trained).keys()
    assert changed <= DECIDED_BY_A_RUN


@pytest.mark.parametrize("manifest", MANIFESTS, ids=reference)
def test_a_head_has_the_accuracy_of_several_views_where_it_speaks_of_them(manifest: Manifest) -> None:
    text = head(manifest.recipe)
    averaged = manifest.averaged_views.get("fp32")
    told = averaged is not None and f"{percent(averaged.test_accuracy.value)} with six views averaged" in text
    assert ("six views averaged" in text) == told


def test_the_best_mlp_kept_to_its_two_hours_with_its_teacher_and_its_answers() -> None:
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
    text = head("mlp_best")
    assert "after {:.0f} minutes of epochs of the teacher, {:.0f} of its answers and {:.0f} of".format(*minutes) in text
    assert f"a calibration error of {percent(manifest.metrics.test_ece)} after temperature" in text
    coverage = read_evaluation(ROOT / "models" / "mlp" / str(manifest.version)).scores["fp32"].prediction_sets.coverage
    assert f"hold the true class for {percent(coverage.value)}" in text


def test_the_teacher_has_the_accuracy_that_is_told_of_it() -> None:
    accuracy = TEACHER.metrics.test_accuracy
    assert f"which has {percent(accuracy)} after training on 40,000" in head("mlp_best")
    assert f"{accuracy:.2%} of the test images" in (ROOT / "README.md").read_text()
    assert TEACHER.data.trained_on == ("train",)


def test_the_table_of_the_evidence_has_every_record_with_its_figure() -> None:
    rows = (ROOT / "docs" / "evidence" / "README.md").read_text().splitlines()
    for folder in sorted(path.parent for path in ROOT.glob("docs/evidence/*/manifest.json")):
        (row,) = (line for line in rows if f"]({folder.name}/manifest.json)" in line)
        assert row.endswith(f"| {percent(read_manifest(folder).metrics.test_accuracy)} |")
