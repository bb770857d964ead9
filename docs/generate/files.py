"""Which files are made from the code alone, and what each of them must hold."""

from __future__ import annotations

from pathlib import Path

from docs.generate import ROOT, metrics, openapi, settings


def made_files() -> dict[Path, str]:
    """The files with their texts."""
    return {
        ROOT / "openapi.json": openapi.page(),
        ROOT / "docs" / "settings.md": settings.page(),
        ROOT / "docs" / "metrics.md": metrics.page(),
    }
