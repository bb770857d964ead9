"""Table of recipes: one recorded version for each recipe, in order."""

from __future__ import annotations

from pathlib import Path

from core.recipes import RECIPES
from core.repository.evaluation import EVALUATION_NAME
from core.repository.manifest import MANIFEST_NAME
from tests.training.analysis.report.conftest import ROOT
from training.analysis.report.findings import Findings
from training.analysis.report.ladder import read_ladder


def copied(version: str, to: Path) -> None:
    """Copy manifest and evaluation of a shipped version."""
    to.mkdir(parents=True)
    for name in (MANIFEST_NAME, EVALUATION_NAME):
        (to / name).write_bytes((ROOT / "models" / version / name).read_bytes())


def test_ladder_of_the_findings_begins_with_the_baseline_of_each_family(shipped: Findings) -> None:
    recipes = [rung.manifest.recipe for rung in shipped.ladder]
    assert recipes == [name for name in RECIPES if name in recipes]
    assert recipes[0] == "mlp_baseline"
    assert next(name for name in recipes if name.startswith("cnn")) == "cnn_baseline"
    assert {side.manifest.recipe for side in shipped.sides} < set(recipes)


def test_ladder_prefers_shipped_and_newest_versions(tmp_path: Path) -> None:
    models, evidence = tmp_path / "models", tmp_path / "evidence"
    copied("mlp/2", models / "mlp" / "9")
    copied("mlp/4", models / "mlp" / "10")
    copied("mlp/4", models / "mlp" / "7")
    copied("mlp/2", evidence / "mlp_baseline")
    copied("cnn/3", evidence / "cnn_fast")
    copied("cnn/3", evidence / "teacher")
    rungs = read_ladder(models, evidence)
    assert [(rung.manifest.recipe, rung.shipped) for rung in rungs] == [
        ("mlp_baseline", True),
        ("mlp_best", True),
        ("cnn_fast", False),
    ]
    assert rungs[0].scores.accuracy.value == rungs[0].manifest.metrics.test_accuracy
