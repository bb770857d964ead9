"""Which files are made from the code and the shipped versions alone, and what each of them must hold."""

from __future__ import annotations

from pathlib import Path

from core.repository.repository import ModelRepository
from docs.generate import ROOT, metrics, openapi, settings
from docs.generate.scores import with_scores


def made_files() -> dict[Path, str]:
    """The files with their texts."""
    readme, shipped = ROOT / "README.md", ModelRepository(ROOT / "nowhere", ROOT / "models")
    return {
        readme: with_scores(readme.read_text(encoding="utf-8"), shipped),
        ROOT / "openapi.json": openapi.page(),
        ROOT / "docs" / "settings.md": settings.page(),
        ROOT / "docs" / "metrics.md": metrics.page(),
    }
