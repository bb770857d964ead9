"""Reader of job log files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from core.files.home import LOG_NAME, named_run

_CHUNK_BYTES = 64 * 1024


def log_path(home: Path, job_id: str) -> Path:
    """Path of the log, which exists after the first claim of the job."""
    return named_run(home, job_id) / LOG_NAME


def size_of(path: Path) -> int:
    """Size of the file in bytes, 0 if it does not exist."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def start_of_last_lines(path: Path, lines: int) -> int:
    """Byte offset of the last `lines` lines; 0 if there are fewer lines or no file."""
    try:
        with path.open("rb") as stream:
            return _start_of_last_lines(stream, lines)
    except FileNotFoundError:
        return 0


def _start_of_last_lines(stream: BinaryIO, lines: int) -> int:
    end = stream.seek(0, os.SEEK_END)
    position, missing = end, lines
    while position > 0:
        begin = max(0, position - _CHUNK_BYTES)
        stream.seek(begin)
        chunk = stream.read(position - begin)
        # A newline at the end of the file ends the last line and starts none.
        at = len(chunk) - 1 if position == end else len(chunk)
        while (at := chunk.rfind(b"\n", 0, at)) >= 0:
            missing -= 1
            if missing == 0:
                return begin + at + 1
        position = begin
    return 0


def read_between(path: Path, start: int, end: int) -> Iterator[bytes]:
    """Yield the bytes from `start` to `end` in chunks; fewer if the file is shorter or missing."""
    try:
        stream = path.open("rb")
    except FileNotFoundError:
        return
    with stream:
        stream.seek(start)
        while start < end and (chunk := stream.read(min(_CHUNK_BYTES, end - start))):
            start += len(chunk)
            yield chunk
