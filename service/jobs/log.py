"""The log of a job, as far as it has been written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from core.files.run_paths import LOG_NAME, named_run

_CHUNK_BYTES = 64 * 1024


def log_path(home: Path, job_id: str) -> Path:
    """Where the log is; it is not there before the job has been claimed."""
    return named_run(home, job_id) / LOG_NAME


def size_of(path: Path) -> int:
    """Bytes written so far, 0 where there is no file."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def start_of_last_lines(path: Path, lines: int) -> int:
    """Offset of the first of the last `lines` lines; 0 where there are no more, or no file."""
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
        # The newline that ends the file ends its last line, and begins none.
        at = len(chunk) - 1 if position == end else len(chunk)
        while (at := chunk.rfind(b"\n", 0, at)) >= 0:
            missing -= 1
            if missing == 0:
                return begin + at + 1
        position = begin
    return 0


def read_between(path: Path, start: int, end: int) -> Iterator[bytes]:
    """The bytes from `start` up to `end`, in pieces; fewer where the file is shorter or gone."""
    try:
        stream = path.open("rb")
    except FileNotFoundError:
        return
    with stream:
        stream.seek(start)
        while start < end and (chunk := stream.read(min(_CHUNK_BYTES, end - start))):
            start += len(chunk)
            yield chunk
