"""Pruning: deletes old versions that were never promoted, without entries in the audit trail."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from core.errors import CorruptVersionError
from core.files.durable import file_lock
from core.repository.alias_files import promoted_versions
from core.repository.champions import LOCK_NAME
from core.repository.deletion import remove_leftovers, remove_version
from core.repository.repository import ModelRepository


def prune_unpromoted(
    repository: ModelRepository, family: str, *, keep: int, before: datetime, in_use: Collection[int] = ()
) -> list[int]:
    """Delete a family's never promoted versions in the home layer, except the newest `keep`.

    The highest number always stays, so that no number is used twice. After a kill, each version is complete or gone.

    At least 1 version is kept. Versions newer than `before` stay, because the gate may still evaluate them, and
    so do those `in_use`. The shipped layer is never changed.

    Returns:
        The deleted version numbers, ascending.

    Raises:
        RepositoryError: a file cannot be read or removed.
    """
    folder = repository.home_models / family
    if keep < 1:
        raise ValueError(f"keep={keep}: keep at least 1 version, so that no number is used twice")
    if not folder.is_dir():
        return []
    with file_lock(repository.home_models / LOCK_NAME):
        remove_leftovers(folder)
        spared = promoted_versions(repository.home_models, family) | {repository.champion(family)} | set(in_use)
        unpromoted = [number for number in repository.numbers(family) if number not in spared]
        removed = [number for number in unpromoted[:-keep] if _may_go(repository, family, number, before)]
        for number in removed:
            remove_version(folder, number)
    return removed


def _may_go(repository: ModelRepository, family: str, number: int, before: datetime) -> bool:
    try:
        return repository.layer(family, number) == "home" and (repository.manifest(family, number).created_at < before)
    except CorruptVersionError:
        return False  # kept for inspection
