"""Repository with promotions, for the tests of aliases and the audit trail."""

from __future__ import annotations

from pathlib import Path

from core.repository.champions import history, promote, rollback
from core.repository.repository import ModelRepository
from tests.support.versions import write_version


def make_repository(folder: Path) -> ModelRepository:
    """cnn 1 shipped, cnn 2, 3, 4 and mlp 1 at home; no champions."""
    repository = ModelRepository(folder / "home" / "models", folder / "shipped")
    write_version(repository.shipped / "cnn" / "1", "cnn", 1)
    for family, version in (("cnn", 2), ("cnn", 3), ("cnn", 4), ("mlp", 1)):
        write_version(repository.home_models / family / str(version), family, version)
    return repository


def go_to(repository: ModelRepository, *versions: int, family: str = "cnn") -> None:
    for version in versions:
        promote(repository, family, version, actor="ada", reason=f"try {version}")


def go_back(repository: ModelRepository) -> int | None:
    return rollback(repository, "cnn", actor="bob", reason="worse").to_version


def moves(repository: ModelRepository, family: str | None = None) -> list[tuple[int | None, int | None]]:
    return [(entry.from_version, entry.to_version) for entry in history(repository, family)]
