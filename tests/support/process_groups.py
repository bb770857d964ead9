"""Process groups of subprocesses: liveness and members."""

from __future__ import annotations

from pathlib import Path


def is_alive(pid: int) -> bool:
    """Return whether a process runs; zombies do not count."""
    fields = _fields(pid)
    return fields is not None and fields[0] != "Z"


def group_of(leader: int) -> list[int]:
    """The living processes of a group."""
    return [pid for pid in _all() if (fields := _fields(pid)) and fields[2] == str(leader) and fields[0] != "Z"]


def processes_of(job_id: str) -> list[int]:
    """The living processes that have the job's id on their command line."""
    found = []
    for pid in _all():
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if job_id.encode() in words and is_alive(pid):
            found.append(pid)
    return found


def _all() -> list[int]:
    return [int(path.name) for path in Path("/proc").glob("[0-9]*")]


def _fields(pid: int) -> list[str] | None:
    """State, parent, group and so on, as proc(5) lists them after the name."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
