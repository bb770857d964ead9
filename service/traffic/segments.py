"""Segment files of captured traffic: append-only frames with a checksum, one file per process at a time.

A frame is the length of the body (u32), its CRC-32 (u32), both little-endian, and the body. Each process appends to its
own files only, so that no lock is needed, also on a shared file system. A frame cut off by a kill is the last of its
file: the next process writes another file. Deletion overwrites the body of a frame with zeros and keeps its length.
"""

from __future__ import annotations

import os
import re
import socket
import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from core.files.durable import sync
from service.traffic.record import traffic_folder

SUFFIX = ".seg"
INDEX_SUFFIX = ".index"
"""Suffix of the file beside a segment that lists its records; the labelling queue is read from it."""
FOLDER_MODE = 0o700
FILE_MODE = 0o600
MAX_BODY_BYTES = 512 * 1024 * 1024
"""Largest body of a frame; a greater length is damage."""

_FRAME = struct.Struct("<II")
FRAME_BYTES = _FRAME.size
"""Size of the head of a frame."""
_STAMP = "%Y%m%dT%H%M%S.%fZ"
_NAME = re.compile(r"(\d{8}T\d{6}\.\d{6}Z)-[A-Za-z0-9_.]+-\d+-\d+\.seg")
_numbers = count()


class Frame(NamedTuple):
    """A frame of a segment.

    Attributes:
        offset: of the frame in the file, in bytes.
        body: the bytes of a record; empty if the record was deleted or is damaged.
        end: offset of the next frame.
    """

    offset: int
    body: bytes
    end: int


def segments_folder(home: Path) -> Path:
    """Folder of the segments; it may not exist."""
    return traffic_folder(home) / "segments"


def segment_paths(folder: Path) -> list[Path]:
    """The segments in the order of their creation; empty if the folder does not exist."""
    try:
        return sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))
    except FileNotFoundError:
        return []


def remove_segment(path: Path) -> None:
    """Remove a segment and its index, if they exist.

    Raises:
        OSError: they cannot be removed.
    """
    path.unlink(missing_ok=True)
    path.with_suffix(INDEX_SUFFIX).unlink(missing_ok=True)


def created_at(path: Path) -> datetime:
    """Time of creation of a segment, from its name; records in it are at most a second older."""
    found = _NAME.fullmatch(path.name)
    if found is None:
        raise ValueError(f"{path.name} is not the name of a segment")
    return datetime.strptime(found[1], _STAMP).replace(tzinfo=UTC)


def frame(body: bytes) -> bytes:
    """The frame of a body."""
    return _FRAME.pack(len(body), crc32(body)) + body


class Segment:
    """A new segment file, open for appending by this process.

    Attributes:
        path: the file.
        size: number of bytes that were appended.
        opened: time of creation, on the clock of `time.monotonic`.
    """

    def __init__(self, folder: Path) -> None:
        """Create the file and its folder.

        Raises:
            OSError: the folder cannot be written, or the disk is full.
        """
        folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        self.size = 0
        self.opened = time.monotonic()
        host = re.sub(r"[^A-Za-z0-9_.]", "_", socket.gethostname()) or "host"
        while True:
            stamp = datetime.now(UTC).strftime(_STAMP)
            self.path = folder / f"{stamp}-{host}-{os.getpid()}-{next(_numbers)}{SUFFIX}"
            try:
                self._descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, FILE_MODE)
            except FileExistsError:  # two containers may have the same host name and process id
                continue
            break
        sync(folder)

    def append(self, bodies: Sequence[bytes]) -> None:
        """Append frames and flush them to disk. After an error the segment must be closed.

        Raises:
            OSError: the disk is full or fails; none of the frames is in the file then, if the disk permits.
        """
        frames = memoryview(b"".join(map(frame, bodies)))
        try:
            written = 0
            while written < len(frames):
                written += os.write(self._descriptor, frames[written:])
            os.fsync(self._descriptor)
        except OSError:
            with suppress(OSError):
                os.truncate(self._descriptor, self.size)
            raise
        self.size += len(frames)

    @property
    def is_removed(self) -> bool:
        """True if the file was deleted, for example by the quota."""
        return os.fstat(self._descriptor).st_nlink == 0

    def close(self) -> None:
        """Close the file; an empty file is removed."""
        os.close(self._descriptor)
        if self.size == 0:
            self.path.unlink(missing_ok=True)


def read_frames(path: Path, start: int = 0) -> Iterator[Frame]:
    """The complete frames of a segment from offset `start`, which is the end of a frame; another process may append.

    A last frame that is incomplete or has the wrong checksum is not returned: it is being written, or was cut off. An
    earlier one with the wrong checksum was deleted or is damaged, and has an empty body.

    Raises:
        OSError: the file cannot be read; FileNotFoundError if it was removed.
    """
    with path.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        stream.seek(start)
        while start + _FRAME.size <= size:
            length, checksum = _FRAME.unpack(stream.read(_FRAME.size))
            end = start + _FRAME.size + length
            if not 0 < length <= MAX_BODY_BYTES or end > size:
                return
            body = stream.read(length)
            if len(body) < length:  # truncated since
                return
            if crc32(body) != checksum:
                if end == size and any(body):
                    return
                body = b""
            yield Frame(start, body, end)
            start = end


def damage(path: Path) -> str | None:
    """Description of damage in a segment, None if there is none; deleted records and an incomplete end are none.

    Raises:
        OSError: the file cannot be read; FileNotFoundError if it was removed.
    """
    end, damaged = 0, 0
    with path.open("rb") as stream:
        for each in read_frames(path):
            end = each.end
            if not each.body:
                stream.seek(each.offset + _FRAME.size)
                damaged += any(stream.read(each.end - each.offset - _FRAME.size))
        stream.seek(end)
        head = stream.read(_FRAME.size)
    if len(head) == _FRAME.size and not 0 < _FRAME.unpack(head)[0] <= MAX_BODY_BYTES:
        return f"it cannot be read from byte {end:,} on"
    return f"number of damaged records: {damaged}" if damaged else None


def read_frame(path: Path, offset: int) -> bytes:
    """Body of the frame at `offset`; empty if the record was deleted or its segment was removed."""
    try:
        return next((each.body for each in read_frames(path, offset)), b"")
    except FileNotFoundError:
        return b""


def erase(path: Path, frames: Sequence[Frame]) -> None:
    """Overwrite the bodies of frames with zeros and flush the file; the process that appends to it is not disturbed.

    The index of the segment is removed too, because it has digests of the request ids; it is made again.

    Raises:
        OSError: the file cannot be written.
    """
    descriptor = os.open(path, os.O_WRONLY)
    try:
        for each in frames:
            os.pwrite(descriptor, bytes(each.end - each.offset - _FRAME.size), each.offset + _FRAME.size)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    path.with_suffix(INDEX_SUFFIX).unlink(missing_ok=True)
