"""Label files: append-only lines of JSON under DUET_HOME/traffic/labels, one file per process.

Each process appends to a file of its own only, so that no lock is needed, also on a shared file system. A line that was
cut off by a kill has no end and is not read; no other process appends to that file.
"""

from __future__ import annotations

import os
import re
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from pydantic import ValidationError

from core.files.durable import atomic_replace, sync
from service.labels.events import LabelEvent
from service.traffic.deletion import Hidden
from service.traffic.record import request_id_of, traffic_folder
from service.traffic.segments import FILE_MODE, FOLDER_MODE

_SUFFIX = ".jsonl"
_ERASED = ".erased"
_numbers = count()


def labels_folder(home: Path) -> Path:
    """Folder of the label files; it may not exist."""
    return traffic_folder(home) / "labels"


class LabelWriter:
    """Appends events to the file of this process, which is created by the first event. Thread-safe."""

    def __init__(self, home: Path) -> None:
        self._folder = labels_folder(home)
        self._lock = threading.Lock()
        self._descriptor: int | None = None

    def append(self, events: Sequence[LabelEvent]) -> None:
        """Append events and flush them to disk.

        Raises:
            OSError: the folder cannot be written, or the disk is full; none of the events is stored.
        """
        content = memoryview(b"".join(event.line() for event in events))
        with self._lock:
            descriptor = self._open()
            size = os.fstat(descriptor).st_size
            try:
                written = 0
                while written < len(content):
                    written += os.write(descriptor, content[written:])
                os.fsync(descriptor)
            except OSError:
                with suppress(OSError):
                    os.truncate(descriptor, size)
                self._close()  # if the file could not be shortened, the next event must not continue its last line
                raise

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._close()

    def _open(self) -> int:
        if self._descriptor is not None and os.fstat(self._descriptor).st_nlink == 0:
            self._close()  # somebody removed the file
        if self._descriptor is None:
            self._folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
            host = re.sub(r"[^A-Za-z0-9_.]", "_", socket.gethostname()) or "host"
            stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
            path = self._folder / f"{stamp}-{host}-{os.getpid()}-{next(_numbers)}{_SUFFIX}"
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, FILE_MODE)
            sync(self._folder)
        return self._descriptor

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class LabelReader:
    """Reads the events of all processes incrementally. Not thread-safe."""

    def __init__(self, home: Path) -> None:
        self._folder = labels_folder(home)
        self._positions: dict[str, int] = {}
        self._erased = _erasures(self._folder)

    def was_erased(self) -> bool:
        """True if events were erased since the last call; all events are then read again."""
        erased = _erasures(self._folder)
        if erased == self._erased:
            return False
        self._erased = erased
        self._positions.clear()
        return True

    def read_new(self) -> list[LabelEvent]:
        """The events since the last call, in the order of time. Lines that are not events are skipped.

        Raises:
            OSError: a file cannot be read.
        """
        events: list[LabelEvent] = []
        for path in _label_paths(self._folder):
            start = self._positions.get(path.name, 0)
            for line in _complete_lines(path, start):
                start += len(line)
                with suppress(ValidationError):
                    events.append(LabelEvent.model_validate_json(line))
            self._positions[path.name] = start
        return sorted(events, key=lambda event: event.time)


def erase_labels(home: Path, hidden: Hidden) -> int:
    """Overwrite the events of deleted records with spaces; returns their number.

    Raises:
        OSError: a file cannot be read or written.
    """
    folder = labels_folder(home)
    erased = sum(_erase_in(path, hidden) for path in _label_paths(folder))
    if erased:
        atomic_replace(folder / _ERASED, str(_erasures(folder) + 1).encode())
    return erased


def _erase_in(path: Path, hidden: Hidden) -> int:
    found: list[tuple[int, int]] = []
    offset = 0
    for line in _complete_lines(path, 0):
        with suppress(ValidationError):
            event = LabelEvent.model_validate_json(line)
            if hidden.hides(request_id_of(event.id), event.recorded):
                found.append((offset, len(line) - 1))
        offset += len(line)
    if found:
        descriptor = os.open(path, os.O_WRONLY)
        try:
            for start, length in found:
                os.pwrite(descriptor, b" " * length, start)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    return len(found)


def _label_paths(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.suffix == _SUFFIX and not path.name.startswith("."))
    except FileNotFoundError:
        return []


def _complete_lines(path: Path, start: int) -> Iterator[bytes]:
    """The lines from offset `start` on that have an end."""
    with path.open("rb") as stream:
        stream.seek(start)
        for line in stream:
            if not line.endswith(b"\n"):
                return
            yield line


def _erasures(folder: Path) -> int:
    """Number of erasures so far."""
    try:
        return int((folder / _ERASED).read_bytes())
    except (FileNotFoundError, ValueError):
        return 0
