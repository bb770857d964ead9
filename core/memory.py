"""Available memory of this process, within the limit of its cgroup."""

from __future__ import annotations

import re
from pathlib import Path

from core.errors import LowMemoryError

_CGROUP = Path("/sys/fs/cgroup")
_MEMINFO = Path("/proc/meminfo")


def available_memory(cgroup: Path = _CGROUP, meminfo: Path = _MEMINFO) -> int | None:
    """Bytes that can be allocated without swapping; None if unknown (outside Linux).

    In a container, `MemAvailable` is that of the host; the limit of the cgroup, less its memory in use, applies too.
    Cached files that the cgroup can drop count as available.

    Args:
        cgroup: mount point of the control groups, version 2 (`memory.max`) or 1 (`memory/memory.limit_in_bytes`).
        meminfo: file with `MemAvailable` in KiB.
    """
    found = re.search(r"^MemAvailable:\s+(\d+) kB", _text(meminfo), re.MULTILINE)
    if found is None:
        return None
    available = [int(found[1]) * 1024]
    version_1 = cgroup / "memory"
    for limit, usage, stat, cached in (
        (cgroup / "memory.max", cgroup / "memory.current", cgroup / "memory.stat", "inactive_file"),
        (
            version_1 / "memory.limit_in_bytes",
            version_1 / "memory.usage_in_bytes",
            version_1 / "memory.stat",
            "total_inactive_file",
        ),
    ):
        limit_text, used_text = _text(limit).strip(), _text(usage).strip()
        if limit_text.isdecimal() and used_text.isdecimal():  # "max" is no limit
            dropped = re.search(rf"^{cached} (\d+)$", _text(stat), re.MULTILINE)
            available.append(int(limit_text) - int(used_text) + (int(dropped[1]) if dropped else 0))
    return max(0, min(available))


def require_memory(needed: int, *, what: str, advice: str) -> None:
    """Check that `needed` bytes of memory are available; no check if the available memory is unknown.

    Args:
        needed: needed memory in bytes.
        what: the work to start, such as `a job`, for the error message.
        advice: action for the user, for the error message.

    Raises:
        LowMemoryError: fewer bytes are available.
    """
    available = available_memory()
    if available is not None and needed > available:
        raise LowMemoryError(
            f"{what} needs at least {needed / 1e9:,.1f} GB of memory, but {available / 1e9:,.1f} GB are available: "
            f"{advice}"
        )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
