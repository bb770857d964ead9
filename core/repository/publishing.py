"""Crash-safe publishing: a kill at any time leaves all of a version or nothing.

    with reserve(repository, "cnn") as staging:
        ...                        # write files into staging.folder
        staging.publish(manifest)  # names each of those files

`reserve` creates the staging folder `<family>/.staging/<number>`, on the file system of the version folder. The process
holds a lock on `<number>.lock` beside it. If that lock is free, its process died, and the next `reserve` in the family
removes the staging folder.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from core.errors import CorruptVersionError, PublishError
from core.files.durable import file_lock, sync, write_fsync
from core.files.home import ensure_home
from core.repository.alias_files import promoted_versions
from core.repository.integrity import file_problems, unlisted_files
from core.repository.manifest import FAMILY_PATTERN, FAMILY_RULE, MANIFEST_NAME, Manifest
from core.repository.repository import ModelRepository

STAGING_NAME = ".staging"
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class Staging:
    """Reserved version number and the staging folder for its files."""

    def __init__(self, family_folder: Path, version: int) -> None:
        self.family = family_folder.name
        self.version = version
        self.folder = family_folder / STAGING_NAME / str(version)
        self._place = family_folder / str(version)

    @property
    def reference(self) -> str:
        """Short name of the future version, such as `cnn@3`."""
        return f"{self.family}@{self.version}"

    def publish(self, manifest: Manifest, content: bytes | None = None) -> Path:
        """Rename the staging folder to the version folder and return the new path.

        Args:
            manifest: names each file in the staging folder.
            content: file content of the manifest, for a copy of a version; by default, the manifest as JSON.

        Raises:
            CorruptVersionError: the manifest and the files in the folder do not match.
            PublishError: a file cannot be written; unless the message says otherwise, nothing was published.
        """
        self._check(manifest)
        try:
            write_fsync(self.folder / MANIFEST_NAME, content or manifest.to_json().encode())
            self._seal()
            self.folder.rename(self._place)
        except OSError as error:
            raise _unpublished(self.reference, error) from error
        try:
            for folder in (self.folder.parent, self._place.parent, self._place.parent.parent):
                sync(folder)
        except OSError as error:
            raise PublishError(f"{self.reference} is published, but may be lost in a power cut: {error}") from error
        return self._place

    def _check(self, manifest: Manifest) -> None:
        if manifest.reference != self.reference:
            raise CorruptVersionError(f"{self.reference}: {MANIFEST_NAME}: it describes {manifest.reference}")
        problems = file_problems(self.folder, manifest)
        problems += [f"{name}: not named in the manifest" for name in unlisted_files(self.folder, manifest)]
        if problems:
            raise CorruptVersionError(f"{self.reference}: {'; '.join(problems)}")

    def _seal(self) -> None:
        """Make every file read-only, and wait until files and folders are on disk."""
        for parent, _, names in os.walk(self.folder, topdown=False):
            for name in names:
                path = Path(parent, name)
                path.chmod(0o444)
                sync(path)
            sync(Path(parent))


def check_family_name(family: str) -> None:
    """Check that `family` is a valid family name; the family may not exist yet.

    Raises:
        PublishError: the name is not valid.
    """
    if not re.fullmatch(FAMILY_PATTERN, family):
        raise PublishError(f"{family!r} is not a valid family name: use {FAMILY_RULE}, such as my-pets")


@contextmanager
def reserve(repository: ModelRepository, family: str, number: int | None = None) -> Iterator[Staging]:
    """Reserve a version number of the family inside the context; the family may be new.

    Leaving the context without `Staging.publish` releases the number and removes the files.

    Args:
        repository: receives the version.
        family: model family.
        number: that of a version that is copied from elsewhere; by default, the next one.

    Raises:
        PublishError: the family name is not valid, the number cannot be reserved, or the disk is full.
    """
    check_family_name(family)
    family_folder = repository.home_models / family
    try:
        claimed = _claim(repository, family_folder, number)
    except OSError as error:
        raise PublishError(f"no version of {family} can be published: {error}") from error
    if claimed is None:
        raise PublishError(f"{family}@{number} exists already, or another process is publishing it: try again later")
    staging, lock = claimed
    try:
        yield staging
    except OSError as error:
        if error.errno in _FULL:
            raise _unpublished(staging.reference, error) from error
        raise
    finally:
        shutil.rmtree(staging.folder, ignore_errors=True)
        lock.release()


def _claim(repository: ModelRepository, family_folder: Path, number: int | None) -> tuple[Staging, FileLock] | None:
    """Claim the number, or the next free one; None if the number is taken."""
    ensure_home(repository.home_models.parent)
    stagings = family_folder / STAGING_NAME
    stagings.mkdir(parents=True, exist_ok=True)
    with file_lock(stagings / ".lock"):
        _remove_abandoned(stagings)
        if number is not None:
            return _try_claim(repository, family_folder, number)
        version = _next_version(repository, family_folder)
        while (claimed := _try_claim(repository, family_folder, version)) is None:
            version += 1
        return claimed


def _try_claim(repository: ModelRepository, family_folder: Path, version: int) -> tuple[Staging, FileLock] | None:
    staging = Staging(family_folder, version)
    lock = _try_lock(staging.folder)
    if lock is None:
        return None
    try:
        staging.folder.mkdir()
    except FileExistsError:
        lock.release()
        return None
    # Another process may have published this number since the versions were listed.
    if version in repository.numbers(staging.family):
        staging.folder.rmdir()
        lock.release()
        return None
    return staging, lock


def _next_version(repository: ModelRepository, family_folder: Path) -> int:
    """One more than any number that exists, is staged, or was ever champion.

    A number in the aliases or the trail is never reused, even if its folder was deleted: the new version would be
    served as champion without a promotion.
    """
    family = family_folder.name
    staged = [int(path.name) for path in (family_folder / STAGING_NAME).iterdir() if path.name.isdecimal()]
    promoted = promoted_versions(repository.home_models, family)
    champion = repository.champion(family) or 0
    return 1 + max(champion, *repository.numbers(family), *staged, *promoted, 0)


def _remove_abandoned(stagings: Path) -> None:
    """Remove staging folders of dead processes; the caller holds the family's lock."""
    for number in {path.name.removesuffix(".lock") for path in stagings.iterdir()}:
        lock = _try_lock(stagings / number) if number.isdecimal() else None
        if lock is None:
            continue
        shutil.rmtree(stagings / number, ignore_errors=True)
        _lock_path(stagings / number).unlink(missing_ok=True)
        lock.release()


def _try_lock(staging_folder: Path) -> FileLock | None:
    """Acquire the lock of a staging folder; None if a running process holds it."""
    # thread_local=False: another thread may leave the context.
    lock = FileLock(_lock_path(staging_folder), thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return None
    return lock


def _unpublished(reference: str, error: OSError) -> PublishError:
    advice = "; free some space and publish again" if error.errno in _FULL else ""
    return PublishError(f"{reference} was not published and nothing of it is kept: {error.strerror or error}{advice}")


def _lock_path(staging_folder: Path) -> Path:
    return staging_folder.with_name(f"{staging_folder.name}.lock")
