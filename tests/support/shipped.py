"""Versions that ship with the project."""

from __future__ import annotations

import shutil
from pathlib import Path

from core.files.home import shipped_models
from core.repository.manifest import GRADIENT_GRAPH, MANIFEST_NAME, read_manifest
from core.repository.repository import ModelRepository


def champion(family: str) -> int:
    """Return the shipped champion."""
    return _shipped().champions()[family]


def predecessor(family: str) -> int:
    """Return the newest version before the champion, the target of a rollback."""
    return max(version for version in _shipped().versions(family) if version < champion(family))


def shipped_folder(family: str, version: int) -> Path:
    """Folder of the version's files."""
    return shipped_models() / family / str(version)


def publish_unexplained(models: Path, family: str, version: int) -> None:
    """Copy the predecessor to `models` as another version, without its gradient graph."""
    folder = models / family / str(version)
    shutil.copytree(shipped_folder(family, predecessor(family)), folder)
    (folder / GRADIENT_GRAPH).unlink()
    manifest = read_manifest(folder)
    files = {name: record for name, record in manifest.files.items() if name != GRADIENT_GRAPH}
    other = manifest.model_copy(update={"version": version, "gradient": None, "files": files})
    (folder / MANIFEST_NAME).write_text(other.to_json())


def _shipped() -> ModelRepository:
    shipped = shipped_models()
    return ModelRepository(shipped / "none", shipped)
