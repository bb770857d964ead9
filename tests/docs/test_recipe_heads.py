"""What the recipes' files and the table of training.md claim is what the records of trained versions say."""

import importlib
from pathlib import Path

import pytest

from core.manifest import Manifest, read_manifest
from core.recipes import RECIPES, RecipeConfig, recipe_config

ROOT = Path(__file__).parents[2]
RECORDS = [
    *(path.parent for path in ROOT.glob("models/*/*/manifest.json")),
    *(path.parent for path in ROOT.glob("docs/evidence/*/manifest.json")),
]
MANIFESTS = [read_manifest(folder) for folder in sorted(RECORDS)]
DECIDED_BY_A_RUN = {"include_validation", "distillation.teacher", "seed", "precision"}


def reference(manifest: Manifest) -> str:
    return f"{manifest.reference} ({manifest.recipe})"


def head(recipe: str) -> str:
    text = importlib.import_module(f"core.recipes.{recipe}").__doc__
    assert text
    return " ".join(text.split())


def percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def test_every_recipe_but_one_has_a_record() -> None:
    """That of cnn_baseline was of a version that is no longer kept, which its head says."""
    assert {manifest.recipe for manifest in MANIFESTS} == set(RECIPES) - {"cnn_baseline"}
    assert "cnn@1, which no longer ships" in head("cnn_baseline")


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
