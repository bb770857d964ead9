"""Table of recipes: the recorded version of each recipe of a family, from the textbook baseline to the champion."""

from __future__ import annotations

from pathlib import Path

from core.recipes import RECIPES
from core.repository.evaluation import read_evaluation
from core.repository.manifest import MANIFEST_NAME, read_manifest
from training.analysis.report.findings import Rung


def read_ladder(models: Path, evidence: Path) -> tuple[Rung, ...]:
    """Read one version for each recipe, in the order of `RECIPES`; recipes without a recorded version are left out.

    Args:
        models: folder of the shipped versions; if several have the same recipe, the newest is read.
        evidence: folder with one folder for each recipe whose version does not ship, named after the recipe.

    Raises:
        RepositoryError: a manifest or an evaluation is damaged.
    """
    folders: dict[str, Path] = {}
    for path in evidence.glob(f"*/{MANIFEST_NAME}"):
        folders[path.parent.name] = path.parent
    shipped = [path for path in models.glob(f"*/*/{MANIFEST_NAME}") if path.parent.name.isdecimal()]
    for path in sorted(shipped, key=lambda path: int(path.parent.name)):
        folders[read_manifest(path.parent).recipe] = path.parent
    return tuple(
        Rung(
            manifest=read_manifest(folders[recipe]),
            scores=read_evaluation(folders[recipe]).scores["fp32"],
            shipped=folders[recipe].is_relative_to(models),
        )
        for recipe in RECIPES
        if recipe in folders
    )
