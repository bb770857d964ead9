"""The versions that ship with the project, whichever they are by now."""

from __future__ import annotations

from pathlib import Path

from core.home import shipped_models
from core.repository import ModelRepository


def champion(family: str) -> int:
    """The version that answers where nothing was published."""
    return _shipped().champions()[family]


def predecessor(family: str) -> int:
    """The newest version before the champion, which a rollback leads to."""
    return max(version for version in _shipped().versions(family) if version < champion(family))


def shipped_folder(family: str, version: int) -> Path:
    """Where its files lie."""
    return shipped_models() / family / str(version)


def _shipped() -> ModelRepository:
    shipped = shipped_models()
    return ModelRepository(shipped / "none", shipped)
