"""Journal of a table of predictions: finished rows, from which a killed command continues when it is run again.

The journal is `OUTPUT.partial`, JSON Lines: the header, then a row for each finished file. Rows are appended and
flushed to disk in groups. A torn last line is cut off when the journal is opened.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from filelock import FileLock, Timeout
from pydantic import ValidationError

from core.batch.rows import Row
from core.errors import ConfigurationError
from core.strict_model import StrictModel


class Header(StrictModel):
    """Source of all rows of a journal.

    Attributes:
        model: the version, such as `cnn@4`.
        precision: precision of the graph, or `default` for that of a service.
        source: `offline`, or the URL of the service.
    """

    model: str
    precision: str
    source: str


class JournalInUseError(ConfigurationError):
    """Another process holds the journal."""


class Journal:
    """Finished rows of `output`; use it in a `with` block, in which no other process can use it."""

    def __init__(self, output: Path) -> None:
        self.path = output.with_name(f"{output.name}.partial")
        self._lock = FileLock(f"{self.path}.lock", thread_local=False)
        self._offsets: dict[str, int] = {}
        self._stream: BinaryIO
        self._is_new = False

    def __enter__(self) -> Self:
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise JournalInUseError(
                f"another process is writing {self.path}: wait for it, or name another --out"
            ) from None
        except OSError as error:
            raise self._not_writable(error) from error
        try:
            self._stream = self.path.open("a+b")
            self._is_new = self._stream.tell() == 0
        except OSError as error:
            self._release()
            raise self._not_writable(error) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):  # only lines of a failed write are lost, the others are on disk
            self._stream.close()
        if self._is_new and not self._offsets:
            self.remove()
        self._release()

    @property
    def files(self) -> tuple[Path, Path]:
        """Files of the journal: the journal and its lock."""
        return self.path, Path(self._lock.lock_file)

    @property
    def done(self) -> set[str]:
        """Files that have a row."""
        return set(self._offsets)

    def header(self) -> Header | None:
        """Header of an earlier process; None if the journal is new.

        Raises:
            ConfigurationError: the file is not a journal.
        """
        self._stream.seek(0)
        line = self._stream.readline()
        return self._parsed(line) if line.endswith(b"\n") else None

    def begin(self, header: Header) -> None:
        """Read the finished rows, or write the header of a new journal.

        Raises:
            ConfigurationError: the journal has rows of another model, is not a journal, or cannot be written.
        """
        self._stream.seek(0)
        end = 0
        for line in self._stream:
            if not line.endswith(b"\n"):
                if end == 0 and not header.model_dump_json().encode().startswith(line):
                    raise self._not_a_journal()
                break
            self._check(line, header) if end == 0 else self._remember(line, end)
            end += len(line)
        self._stream.truncate(end)
        self._stream.seek(0, os.SEEK_END)
        if end == 0:
            self._write([header.model_dump_json()])

    def append(self, rows: Sequence[Row]) -> None:
        """Append rows and flush them to disk.

        Raises:
            ConfigurationError: the disk is full or the file cannot be written.
        """
        end = self._stream.tell()
        lines = [row.model_dump_json() for row in rows]
        self._write(lines)
        for row, line in zip(rows, lines, strict=True):
            self._offsets[row.file] = end
            end += len(line.encode()) + 1

    def rows(self, files: Iterable[str]) -> Iterator[Row]:
        """Finished rows of `files`, in this order; files without a row are left out."""
        for offset in (self._offsets[file] for file in files if file in self._offsets):
            self._stream.seek(offset)
            yield Row.model_validate_json(self._stream.readline())

    def remove(self) -> None:
        """Delete the journal, after its output was written."""
        self.path.unlink(missing_ok=True)

    def _release(self) -> None:
        self.files[1].unlink(missing_ok=True)
        self._lock.release()

    def _write(self, lines: Sequence[str]) -> None:
        try:
            self._stream.write("".join(f"{line}\n" for line in lines).encode())
            self._stream.flush()
            os.fsync(self._stream.fileno())
        except OSError as error:
            raise ConfigurationError(
                f"cannot write {self.path} ({error.strerror}): finished predictions are kept in it; run the command "
                "again when there is room"
            ) from error

    def _not_writable(self, error: OSError) -> ConfigurationError:
        return ConfigurationError(
            f"cannot write {self.path} ({error.strerror}): make its folder writable, or name another --out"
        )

    def _not_a_journal(self) -> ConfigurationError:
        return ConfigurationError(f"{self.path} is not a journal of predictions: remove it")

    def _parsed(self, line: bytes) -> Header:
        try:
            return Header.model_validate_json(line)
        except ValidationError as error:
            raise self._not_a_journal() from error

    def _check(self, line: bytes, header: Header) -> None:
        found = self._parsed(line)
        if found != header:
            differences = [
                f"{name} {old}, not {new}" for (name, old), (_, new) in zip(found, header, strict=True) if old != new
            ]
            raise ConfigurationError(
                f"the predictions in {self.path} are of {' and '.join(differences)}: continue with these options, or "
                "remove the file to begin again"
            )

    def _remember(self, line: bytes, offset: int) -> None:
        try:
            self._offsets[Row.model_validate_json(line).file] = offset
        except ValidationError as error:
            raise ConfigurationError(f"{self.path} has a damaged line: remove the file to begin again") from error
