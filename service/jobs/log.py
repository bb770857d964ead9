"""Reader of job log files, without paths of the server. Offsets are those of the file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from mmap import ACCESS_READ, mmap
from pathlib import Path

from core.files.home import LOG_NAME, named_run
from service.errors.hidden_paths import PathsInBytes

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


def complete_end(path: Path, hidden: PathsInBytes) -> int:
    """Offset up to which the file can be returned; a path at its end may not be complete yet, and is left for later."""
    end = size_of(path)
    if end == 0:
        return 0
    with path.open("rb") as stream:
        start = max(0, end - hidden.max_bytes)
        stream.seek(start)
        return end - hidden.unfinished(stream.read(end - start))


def read_between(path: Path, start: int, end: int, hidden: PathsInBytes) -> Iterator[bytes]:
    """Yield the text from `start` to `end` in chunks, with names in place of the paths in `hidden`.

    If `start` is within a path, the text begins after this path. A missing file has no text.
    """
    if start >= end:
        return
    with (
        suppress(FileNotFoundError),
        path.open("rb") as stream,
        mmap(stream.fileno(), 0, access=ACCESS_READ) as content,
    ):
        first = max(0, start - hidden.max_bytes)
        around = hidden.pattern.finditer(content[first : min(end, start + hidden.max_bytes)])
        start = next((first + one.end() for one in around if first + one.start() < start < first + one.end()), start)
        while start < end:
            chunk_end = min(start + _CHUNK_BYTES, end)
            # With the bytes after the chunk, a path that begins in it is found as a whole, with its end.
            found = hidden.pattern.search(content, start, min(chunk_end + hidden.max_bytes, end))
            if found is None or found.start() >= chunk_end:
                yield content[start:chunk_end]
                start = chunk_end
            else:
                yield content[start : found.start()] + hidden.names[found[0]]
                start = found.end()
