"""Restore of a backup into an empty home.

Files are written to a folder in the home, compared with the list of the backup, and moved to their places. While that
folder exists, no service starts on the home.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, TypeVar

from pydantic import ValidationError

from core.errors import explain
from core.files.durable import sync
from core.files.home import HOME_MODE, MIB, require_space
from core.files.home_lock import RESTORING_NAME, RUNNING_NAME, claim_home, interrupted_restore
from core.repository.manifest import FileRecord
from core.strict_model import StrictModel
from service.home.archive import (
    FILES_NAME,
    HEADER_NAME,
    HOME_PREFIX,
    MAX_DOCUMENT_BYTES,
    BackupError,
    BackupFiles,
    BackupHeader,
    describe,
    key_of,
    name_of,
)

FREE_BYTES = 64 * MIB
"""Disk space that a restore leaves free."""
MAX_MEMBERS = 10_000_000
_IGNORED = frozenset({RUNNING_NAME, "lost+found"})
_BLOCK = 1024 * 1024
_FLUSHED_TOGETHER = 32
_NOT_A_BACKUP = "it is damaged, or not a backup of `duet home backup`"
Document = TypeVar("Document", bound=StrictModel)


class Restored(NamedTuple):
    """Summary of a restore.

    Attributes:
        files: number of files.
        bytes: their size.
        duet: release that made the backup.
        created_at: time of the backup.
    """

    files: int
    bytes: int
    duet: str
    created_at: datetime


def restore(archive: Path, home: Path) -> Restored:
    """Restore a backup into `home`, which is empty or does not exist.

    Raises:
        BackupError: the home has files, or the archive cannot be read, is damaged or is not a backup; nothing is
            restored.
        ConfigurationError: a service uses the home, or it cannot be written.
        LowDiskError: the disk has too little space; nothing is restored.
    """
    is_new = not home.exists()
    with claim_home(home):
        staging = home / RESTORING_NAME
        _require_empty(home)
        try:
            staging.mkdir(mode=HOME_MODE)
            restored = _extract(archive, staging)
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            if is_new:
                shutil.rmtree(home, ignore_errors=True)
            raise
        try:
            _flush(staging)
            for entry in sorted(staging.iterdir()):
                entry.rename(home / entry.name)
            sync(home)
            staging.rmdir()
            sync(home)
        except OSError as error:
            raise BackupError(f"{interrupted_restore(home)} ({error})") from error
    return restored


def _require_empty(home: Path) -> None:
    found = sorted(entry.name for entry in home.iterdir() if entry.name not in _IGNORED)
    if RESTORING_NAME in found:
        raise BackupError(interrupted_restore(home))
    if found:
        listed = ", ".join(found[:5]) + (", ..." if len(found) > 5 else "")
        raise BackupError(
            f"{home} is not empty ({listed}): a backup is only restored into an empty or new folder; move the old home "
            "away, or name another with --home"
        )


def _extract(path: Path, staging: Path) -> Restored:
    """Write the files of the backup to `staging`, and check them."""
    try:
        with tarfile.open(path, "r|*") as archive:
            header, listed, written = _read(archive, staging)
        _check(listed, written, staging)
        _tidy(listed, written, staging)
    except (tarfile.TarError, zlib.error, EOFError, ValueError) as error:  # ValueError: a name with a null byte
        raise BackupError(f"cannot restore {path}: {_NOT_A_BACKUP} ({error})") from error
    except OSError as error:
        raise BackupError(f"cannot restore {path}: {describe(error)}") from error
    except BackupError as error:
        raise BackupError(f"cannot restore {path}: {error}") from error
    total = sum(record.bytes for record in listed.files.values())
    return Restored(len(listed.files), total, header.duet, header.created_at)


def _read(archive: tarfile.TarFile, staging: Path) -> tuple[BackupHeader, BackupFiles, dict[str, FileRecord]]:
    """Extract all members; returns header, list, and hash and size of each written file by key."""
    header: BackupHeader | None = None
    written: dict[str, FileRecord] = {}
    for count, member in enumerate(archive):
        if count > MAX_MEMBERS:
            raise BackupError(f"it has more than {MAX_MEMBERS:,} files")
        if member.name == HEADER_NAME and header is None:
            header = _document(archive, member, BackupHeader)
        elif header is None:
            raise BackupError(_NOT_A_BACKUP)
        elif member.name == FILES_NAME:
            return header, _document(archive, member, BackupFiles), written
        else:
            name = _safe_name(member, staging)
            require_space(
                staging, member.size + FREE_BYTES, what="the restore", advice="free some space, or name another --home"
            )
            written[key_of(name)] = _write(archive, member, staging / name)
        archive.members.clear()  # type: ignore[attr-defined]  # members are only read once, and there may be millions
    raise BackupError(f"{_NOT_A_BACKUP}: its end is missing")


def _document(archive: tarfile.TarFile, member: tarfile.TarInfo, kind: type[Document]) -> Document:
    stream = archive.extractfile(member) if member.isreg() else None
    if stream is None or member.size > MAX_DOCUMENT_BYTES:
        raise BackupError(_NOT_A_BACKUP)
    try:
        return kind.model_validate_json(stream.read())
    except ValidationError as error:
        raise BackupError(f"{member.name} is not of this release ({explain(error)}): install a newer one") from error


def _safe_name(member: tarfile.TarInfo, staging: Path) -> str:
    """Path of a file relative to the home; never outside of it, nor that of a file that a home does not have."""
    try:
        checked = tarfile.data_filter(member, str(staging))
    except tarfile.FilterError as error:
        raise BackupError(f"unsafe member: {error}") from error
    name = checked.name.removeprefix(HOME_PREFIX)
    parts = name.split("/")
    if not member.isreg() or name == checked.name or not name or {"", ".", ".."} & set(parts):
        raise BackupError(f"unsafe member {member.name!r}: only files below {HOME_PREFIX} are restored")
    if parts[0] in (*_IGNORED, RESTORING_NAME):
        raise BackupError(f"unsafe member {member.name!r}")
    return name


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> FileRecord:
    """Write one file, also over an earlier copy of it."""
    _make_folder(path.parent)
    path.unlink(missing_ok=True)
    digest, size = hashlib.sha256(), 0
    source = archive.extractfile(member)
    if source is None:
        raise BackupError(_NOT_A_BACKUP)
    with source, path.open("xb") as stream:
        while block := source.read(_BLOCK):
            stream.write(block)
            digest.update(block)
            size += len(block)
        stream.flush()
        os.fchmod(stream.fileno(), member.mode & 0o755)
        os.utime(stream.fileno(), (member.mtime, member.mtime))
    return FileRecord(sha256=digest.hexdigest(), bytes=size)


def _flush(staging: Path) -> None:
    """Flush all files and folders to disk; the disk combines concurrent requests."""
    paths = [staging, *staging.rglob("*")]
    with ThreadPoolExecutor(_FLUSHED_TOGETHER) as pool:
        for _ in pool.map(sync, paths):
            pass


def _make_folder(path: Path) -> None:
    """Make a folder and those above it, for this user only, as the broker requires of its own."""
    if not path.is_dir():
        _make_folder(path.parent)
        path.mkdir(mode=HOME_MODE)


def _check(listed: BackupFiles, written: dict[str, FileRecord], staging: Path) -> None:
    """Compare the written files with the list, and make its folders."""
    wrong = [key for key, record in listed.files.items() if written.get(key) != record]
    if wrong:
        raise BackupError(
            f"{_NOT_A_BACKUP}: {len(wrong)} of {len(listed.files)} files differ from its list or are missing, such as "
            f"{wrong[0]}"
        )
    for key in listed.folders:
        path = staging / name_of(key)
        if not path.resolve().is_relative_to(staging.resolve()):
            raise BackupError(f"unsafe folder {key!r}")
        _make_folder(path)


def _tidy(listed: BackupFiles, written: dict[str, FileRecord], staging: Path) -> None:
    """Remove files that no longer belonged to the home at the end of the backup, and their folders."""
    for key in written.keys() - listed.files.keys():
        (staging / name_of(key)).unlink()
    folders = {name_of(key) for key in listed.folders}
    for parent, _, _ in os.walk(staging, topdown=False):
        name = Path(parent).relative_to(staging).as_posix()
        if name not in folders and name != "." and not any(Path(parent).iterdir()):
            Path(parent).rmdir()
