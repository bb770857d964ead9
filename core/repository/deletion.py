"""Deletion of versions of the home layer, with an entry in the audit trail.

The entry is recorded first. The version folder is then renamed, which hides it from all readers, and removed. After a
kill, the version is complete or gone, and deleting it again completes the deletion without a second entry. Numbers in
the trail are never used again.
"""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core.errors import ChampionDeletionError, CorruptVersionError, RepositoryError, ShippedVersionError
from core.files.durable import sync
from core.repository.alias_files import Promotion, read_aliases, read_trail, record
from core.repository.champions import alias_lock, require_texts
from core.repository.repository import ModelRepository
from core.trials.errors import TrialRunningError
from core.trials.store import TrialStore

_REMOVED = ".removed-"


def delete_version(repository: ModelRepository, family: str, version: int, *, actor: str, reason: str) -> Promotion:
    """Delete a version permanently; returns its entry in the audit trail.

    Raises:
        UnknownFamilyError, UnknownVersionError: there is no such version.
        ChampionDeletionError: it is the champion.
        ShippedVersionError: it ships with the project.
        TrialRunningError: it is the challenger of a running shadow trial.
        RepositoryError: actor or reason is empty, an alias file is damaged, or a file cannot be removed.
    """
    require_texts(actor=actor, reason=reason)
    with alias_lock(repository):
        check_deletable(repository, family, version)
        return _delete(repository, family, version, actor=actor, reason=reason)


def delete_family(repository: ModelRepository, family: str, *, actor: str, reason: str) -> list[Promotion]:
    """Delete all versions of a family that has no champion; returns the entry of each, in ascending order.

    After a kill, the remaining versions are complete. Raises as `delete_version`, before anything is deleted.
    """
    require_texts(actor=actor, reason=reason)
    with alias_lock(repository):
        versions = repository.versions(family)
        for version in versions:
            check_deletable(repository, family, version)
        return [_delete(repository, family, version, actor=actor, reason=reason) for version in versions]


def check_deletable(repository: ModelRepository, family: str, version: int) -> None:
    """Check that a version may be deleted; raises as `delete_version`."""
    try:
        layer = repository.layer(family, version)
    except CorruptVersionError:  # both layers have the number; the one at home may go
        layer = "home"
    if repository.champion(family) == version:
        raise ChampionDeletionError(
            f"{family}@{version} is the champion of {family}: promote another version first, or end the service of the "
            f"whole family with `duet models archive {family}`"
        )
    if layer == "shipped":
        raise ShippedVersionError(f"{family}@{version} ships with the project and cannot be deleted")
    trial = TrialStore(repository.home_models.parent).running_of(family)
    if trial is not None and trial.challenger == version:
        raise TrialRunningError(family, trial.id)


def remove_version(family_folder: Path, version: int) -> None:
    """Remove the folder of a version; the caller holds the alias lock. Readers see all of it or nothing.

    Raises:
        OSError: a file cannot be removed.
    """
    gone = family_folder / f"{_REMOVED}{version}"
    (family_folder / str(version)).rename(gone)
    sync(family_folder)
    shutil.rmtree(gone)


def remove_leftovers(family_folder: Path) -> None:
    """Remove files of processes that were killed in `remove_version`; the caller holds the alias lock."""
    for left in family_folder.glob(f"{_REMOVED}*"):
        shutil.rmtree(left)


def _delete(repository: ModelRepository, family: str, version: int, *, actor: str, reason: str) -> Promotion:
    """Record and remove a version; the caller holds the alias lock."""
    folder = repository.home_models / family
    aliases = read_aliases(repository.home_models)
    begun = [
        entry
        for entry in read_trail(repository.home_models, aliases)
        if (entry.action, entry.family, entry.from_version) == ("delete", family, version)
    ]
    if begun:
        entry = begun[-1]
    else:
        entry = Promotion(
            entry=aliases.last_entry + 1,
            at=datetime.now(UTC),
            family=family,
            action="delete",
            from_version=version,
            to_version=None,
            actor=actor,
            reason=reason,
            evidence=_description(repository, family, version),
        )
        record(repository.home_models, aliases, entry)
    try:
        remove_leftovers(folder)
        remove_version(folder, version)
    except OSError as error:
        raise RepositoryError(
            f"{family}@{version} could not be deleted completely ({error}): make {folder} writable and delete it again"
        ) from error
    return entry


def _description(repository: ModelRepository, family: str, version: int) -> dict[str, Any] | None:
    """Facts about the version for the trail; None if its manifest cannot be read."""
    try:
        manifest = repository.manifest(family, version)
    except RepositoryError:
        return None
    return {
        "created_at": manifest.created_at.isoformat(),
        "recipe": manifest.recipe,
        "data": manifest.data.name,
        "test_accuracy": manifest.metrics.test_accuracy,
    }
