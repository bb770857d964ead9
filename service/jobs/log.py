"""Reader of job log files."""

from __future__ import annotations

from collections.abc import Iterator
from mmap import ACCESS_READ, mmap
from pathlib import Path

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
    if size_of(path) == 0:
        return 0
    with path.open("rb") as stream, mmap(stream.fileno(), 0, access=ACCESS_READ) as content:
        # A newline at the end of the file ends the last line and starts none.
        at = len(content) - 1
        for _ in range(lines):
            at = content.rfind(b"\n", 0, at)
            if at < 0:
                return 0
        return at + 1


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
