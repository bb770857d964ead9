"""Backup archive: a tar file of the files of a home, with a header first and the sha256 of every file last.

    duet-backup.json            format, release and time
    home/<path>                 files
    duet-backup-files.json      sha256 and size of each file that belongs to the backup, and all folders

A file may be in the archive twice, or not belong to the backup any more, if it changed while the backup was made. The
list at the end decides: a member counts if its sha256 is the one in the list.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tarfile
from datetime import datetime
from typing import BinaryIO, Literal
from urllib.parse import quote_from_bytes, unquote_to_bytes

from pydantic import Field

from core.errors import DuetError
from core.repository.manifest import FileRecord
from core.strict_model import StrictModel

HEADER_NAME = "duet-backup.json"
FILES_NAME = "duet-backup-files.json"
HOME_PREFIX = "home/"
MAX_DOCUMENT_BYTES = 1024 * 1024 * 1024
"""Largest header or list that is read, enough for five million files."""


class BackupError(DuetError):
    """A backup cannot be written or restored; the message says why and what to do."""


def describe(error: OSError) -> str:
    """Reason and file of an error, for messages."""
    return f"{error.strerror or error}{f' ({error.filename})' if error.filename else ''}"


class BackupHeader(StrictModel):
    """First member of an archive."""

    format: Literal[1] = 1
    duet: str = Field(description="release that made the backup")
    created_at: datetime


class BackupFiles(StrictModel):
    """Last member of an archive: files and folders by their path relative to the home, as made by `key_of`."""

    files: dict[str, FileRecord]
    folders: list[str]


class ArchiveWriter:
    """Writes members; `files` has those of the home by key."""

    def __init__(self, archive: tarfile.TarFile) -> None:
        self.files: dict[str, FileRecord] = {}
        self._archive = archive

    def add_document(self, name: str, document: StrictModel) -> None:
        """Add the JSON of the header or of the list."""
        content = document.model_dump_json().encode()
        info = tarfile.TarInfo(name)
        info.size, info.mode = len(content), 0o600
        self._archive.addfile(info, io.BytesIO(content))

    def add(self, name: str, stream: BinaryIO, size: int) -> bool:
        """Add `size` bytes of an open file as `home/<name>`; returns False if the file became shorter meanwhile.

        Raises:
            OSError: the file cannot be read, or the archive cannot be written.
        """
        status = os.fstat(stream.fileno())
        info = tarfile.TarInfo(HOME_PREFIX + name)
        info.size, info.mtime, info.mode = size, status.st_mtime, stat.S_IMODE(status.st_mode)
        reader = _Reader(stream)
        self._archive.addfile(info, reader)
        self.files[key_of(name)] = FileRecord(sha256=reader.sha256.hexdigest(), bytes=size)
        return not reader.is_short


class _Reader(io.RawIOBase):
    """Hashes what is read, and continues with zeros if the file has become shorter, so that the archive stays valid."""

    def __init__(self, stream: BinaryIO) -> None:
        self.sha256 = hashlib.sha256()
        self.is_short = False
        self._stream = stream

    def read(self, size: int = -1, /) -> bytes:
        content = self._stream.read(size)
        if len(content) < size:
            self.is_short = True
            content = content.ljust(size, b"\0")
        self.sha256.update(content)
        return content


def key_of(name: str) -> str:
    """Path relative to the home as in `BackupFiles`: bytes other than ASCII letters, digits and a few are %XX."""
    return quote_from_bytes(os.fsencode(name), safe="/ @+=,~()")


def name_of(key: str) -> str:
    """Inverse of `key_of`."""
    return os.fsdecode(unquote_to_bytes(key))
