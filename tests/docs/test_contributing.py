"""docs/contributing.md: the files that it names exist, and its example recipe works."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.markdown import ROOT, blocks

PAGE = ROOT / "docs" / "contributing.md"
NEW = {"core/recipes/mlp_small.py"}

ASK = """
from core.recipes import RECIPES, recipe_config
from core.jobs.parameters import TrainParameters
from service.api.routes.train import RECIPE_LIST
assert recipe_config("mlp_small").epochs == 5
assert TrainParameters(recipe="mlp_small").target_family() == "mlp"
print([recipe.description for recipe in RECIPE_LIST.recipes if recipe.name == "mlp_small"])
"""


def test_named_paths_exist() -> None:
    named = set(re.findall(r"`([\w.]+/[\w./]*|[\w]+\.(?:md|toml|json))`", PAGE.read_text(encoding="utf-8")))
    assert len(named) > 20
    assert {name for name in named - NEW if not (ROOT / name).exists()} == set()


@pytest.mark.slow
def test_new_recipe_is_available_everywhere(tmp_path: Path) -> None:
    [recipe] = [block.text for block in blocks(PAGE) if block.language == "python"]
    for package in ("core", "service"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    recipes = tmp_path / "core" / "recipes"
    (recipes / "mlp_small.py").write_text(recipe, encoding="utf-8")
    names = (recipes / "__init__.py").read_text(encoding="utf-8")
    names = names.replace("for recipe in (", "for recipe in (mlp_small, ")
    names = names.replace(
        "\nfrom core.recipes.base", "\nfrom core.recipes.mlp_small import mlp_small\nfrom core.recipes.base"
    )
    (recipes / "__init__.py").write_text(names, encoding="utf-8")
    told = subprocess.run([sys.executable, "-c", ASK], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert told.stdout.strip() == "['One hidden layer of 256, Adam, five epochs.']", told.stderr
