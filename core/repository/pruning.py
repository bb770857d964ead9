"""Removes versions that nobody ever promoted, to win back disk; the rest of the project never deletes a version."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from datetime import datetime

from core.errors import CorruptVersionError
from core.files.durable import file_lock, sync
from core.repository.alias_files import promoted_versions
from core.repository.champions import LOCK_NAME
from core.repository.repository import ModelRepository

_REMOVED = ".removed-"


def prune_unpromoted(
    repository: ModelRepository, family: str, *, keep: int, before: datetime, in_use: Collection[int] = ()
) -> list[int]:
    """Remove a family's versions of the home layer that were never champion, but for the newest `keep` of them.

    The highest number always stays, so that none is given twice. A kill leaves a version whole or gone.

    Args:
        repository: where they lie; the shipped layer is never touched.
        family: whose versions.
        keep: how many never promoted ones stay; at least 1.
        before: versions created since then stay, so that one that is still being judged is not removed.
        in_use: further numbers that stay.

    Returns:
        The numbers removed, ascending.

    Raises:
        RepositoryError: a file cannot be read or removed.
    """
    folder = repository.home_models / family
    if keep < 1:
        raise ValueError("the newest version that was never promoted must stay, or its number would be given again")
    if not folder.is_dir():
        return []
    with file_lock(repository.home_models / LOCK_NAME):
        for left in folder.glob(f"{_REMOVED}*"):
            shutil.rmtree(left)
        spared = promoted_versions(repository.home_models, family) | {repository.champion(family)} | set(in_use)
        unpromoted = [number for number in repository.numbers(family) if number not in spared]
        removed = [number for number in unpromoted[:-keep] if _may_go(repository, family, number, before)]
        for number in removed:
            gone = folder / f"{_REMOVED}{number}"
            (folder / str(number)).rename(gone)
            sync(folder)
            shutil.rmtree(gone)
    return removed


def _may_go(repository: ModelRepository, family: str, number: int, before: datetime) -> bool:
    try:
        return repository.layer(family, number) == "home" and (repository.manifest(family, number).created_at < before)
    except CorruptVersionError:
        return False  # somebody may want to look into it
