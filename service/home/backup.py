"""Backup of a home into one archive, also while services, workers and trainings use the home.

The order makes the backup consistent: a file is copied before the files that it refers to.

1. The broker's append-only files, up to their current ends. Jobs refer to runs, data sets and versions.
2. Runs, captured traffic and everything else. Files that are being appended to are cut at the last complete record.
   Deletions of traffic come first, so that those made before the backup remain in effect.
3. Data sets. A last listing is made under the lock of uploads and deletions.
4. Versions. A last listing, the champions and the audit trail are read under the lock of promotions and deletions.

Before 3 and 4 wait for a lock, they copy what is there already, so that they hold it only for what is new.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from core.errors import ConfigurationError
from core.files.durable import sync
from core.files.home_lock import RESTORING_NAME, interrupted_restore
from core.files.regular import open_regular
from core.images.labelled_folders import DATASETS_NAME, changing
from core.release import release
from core.repository.champions import alias_lock
from core.repository.repository import MODELS_NAME, ModelRepository
from service.home.archive import (
    FILES_NAME,
    HEADER_NAME,
    ArchiveWriter,
    BackupError,
    BackupFiles,
    BackupHeader,
    describe,
    key_of,
)
from service.home.broker_files import APPEND_FOLDER, opened_append_files
from service.home.contents import appended_end, list_home
from service.traffic.record import TRAFFIC_NAME

MODES = {".tar": "w", ".gz": "w:gz"}
"""Mode of tarfile by the last suffix of the archive's name."""
_GZIP_LEVEL = 3
_ATTEMPTS = 3
"""Attempts to copy a file that changes while it is read."""
_DELETIONS = f"{TRAFFIC_NAME}/deletions"


class BackedUp(NamedTuple):
    """Summary of a backup: number of files, their size in bytes, and symbolic links that were left out."""

    files: int
    bytes: int
    links: list[str]


def back_up(home: Path, target: Path) -> BackedUp:
    """Write a backup of `home` to `target`, which appears when it is complete.

    Args:
        home: the home; services may run on it.
        target: new file, outside of the home, that ends in .tar or .tar.gz.

    Raises:
        BackupError: the target is not possible, a file cannot be read, or the disk is full.
    """
    mode = _check(home, target)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        try:
            summary = _write(home, temporary, mode)
            if target.exists():
                raise BackupError(f"{target} exists: name another file")
            temporary.rename(target)
            sync(target.parent)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise BackupError(f"cannot write the backup {target}: {describe(error)}") from error
    return summary


def _check(home: Path, target: Path) -> str:
    """Check home and target; returns the mode of tarfile."""
    if not target.name.endswith((".tar", ".tar.gz")):
        raise BackupError(f"{target} has no known format: let its name end in .tar or .tar.gz")
    if not home.is_dir():
        raise BackupError(f"there is no home {home}: set DUET_HOME to the folder to back up")
    if (home / RESTORING_NAME).exists():
        raise BackupError(interrupted_restore(home))
    if not target.absolute().parent.is_dir():
        raise BackupError(f"there is no folder {target.absolute().parent}: create it first")
    if target.resolve().is_relative_to(home.resolve()):
        raise BackupError(f"{target} is in the home that is backed up: name a file outside of {home}")
    if target.exists():
        raise BackupError(f"{target} exists: name another file")
    return MODES[target.suffix]


def _write(home: Path, path: Path, mode: str) -> BackedUp:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        options = {"compresslevel": _GZIP_LEVEL} if mode == "w:gz" else {}
        with tarfile.open(fileobj=stream, mode=mode, **options) as archive:  # type: ignore[call-overload]
            writer = ArchiveWriter(archive)
            writer.add_document(HEADER_NAME, BackupHeader(duet=release(), created_at=datetime.now(UTC)))
            copy = _Copy(home, writer)
            copy.all()
            writer.add_document(FILES_NAME, BackupFiles(files=writer.files, folders=sorted(map(key_of, copy.folders))))
        stream.flush()
        os.fsync(stream.fileno())
    return BackedUp(len(writer.files), sum(record.bytes for record in writer.files.values()), sorted(copy.links))


class _Copy:
    """Copies the sections of a home in their order."""

    def __init__(self, home: Path, writer: ArchiveWriter) -> None:
        self.folders: set[str] = set()
        self.links: set[str] = set()
        self._home = home
        self._writer = writer
        self._changed: set[str] = set()

    def all(self) -> None:
        """Copy everything."""
        self._broker()
        self._section(_DELETIONS, keep=True)
        self._section(None)
        self._section(DATASETS_NAME, lock=lambda: changing(self._home), last=_is_journal)
        repository = ModelRepository.open(self._home)
        self._section(MODELS_NAME, lock=lambda: alias_lock(repository), last=_is_alias_file)

    def _broker(self) -> None:
        try:
            with opened_append_files(self._home) as files:
                for name, stream, size in files:
                    self._writer.add(name, stream, size)
        except ConfigurationError as error:
            raise BackupError(str(error)) from error
        if files:
            self.folders.add(APPEND_FOLDER)
            self.folders.add(PurePosixPath(APPEND_FOLDER).parent.as_posix())

    def _section(
        self,
        folder: str | None,
        *,
        lock: Callable[[], AbstractContextManager[None]] = nullcontext,
        last: Callable[[str], bool] = lambda name: False,
        keep: bool = False,
    ) -> None:
        """Copy a folder of the home: once without the lock, then under it what is new since.

        Args:
            folder: the folder; None for all that have no section of their own.
            lock: keeps writers away during the last listing.
            last: files that are only copied under the lock.
            keep: keep files that were removed meanwhile.
        """
        without = (DATASETS_NAME, MODELS_NAME, _DELETIONS) if folder is None else ()
        if folder is not None and not (self._home / folder).is_dir():
            return
        copied: set[str] = set()
        for name in list_home(self._home, only=folder, without=without).files:
            if not last(name) and self._copy(name):
                copied.add(name)
        with lock():
            listing = list_home(self._home, only=folder, without=without)
            for name in listing.files:
                if name in copied:
                    continue
                if any(self._copy(name) for _ in range(_ATTEMPTS)):
                    copied.add(name)
                elif name in self._changed:
                    raise BackupError(f"{name} changed while it was read: run the backup again")
            if not keep:
                for name in copied - set(listing.files):
                    self._writer.files.pop(key_of(name), None)
        self.folders.update(listing.folders)
        self.links.update(listing.links)

    def _copy(self, name: str) -> bool:
        """Copy a file; returns False if it has disappeared, or changed meanwhile and must be copied again."""
        try:
            with open_regular(self._home / name) as stream:
                before = os.fstat(stream.fileno())
                end = appended_end(self._home, name, before.st_size)
                whole = self._writer.add(name, stream, before.st_size if end is None else end)
                after = os.fstat(stream.fileno())
        except FileNotFoundError:
            return False
        self._changed.discard(name)
        if end is None and (not whole or (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns)):
            self._changed.add(name)
            self._writer.files.pop(key_of(name))
            return False
        return True


def _is_alias_file(name: str) -> bool:
    """Champions and audit trail: the files directly in the folder of the models."""
    return len(PurePosixPath(name).parts) == 2


def _is_journal(name: str) -> bool:
    """Journals of edits and of deletions."""
    return PurePosixPath(name).suffix == ".jsonl" and PurePosixPath(name).name.startswith(".")
