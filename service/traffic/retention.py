"""Retention of captured traffic: a quota in bytes and a maximum age; the oldest segments are removed first."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from service.traffic.segments import created_at, remove_segment, segment_paths


def used_bytes(folder: Path) -> int:
    """Size of all segments in bytes."""
    return sum(_size(path) for path in segment_paths(folder))


def make_room(folder: Path, needed: int, quota: int) -> int:
    """Remove the oldest segments until `needed` more bytes fit into the quota; returns the number of removed segments.

    Args:
        folder: folder of the segments.
        needed: bytes to be written, at most `quota`.
        quota: limit of all segments, in bytes.

    Raises:
        OSError: a segment cannot be removed.
    """
    sizes = {path: _size(path) for path in segment_paths(folder)}
    total, removed = sum(sizes.values()), 0
    for path, size in sizes.items():
        if total + needed <= quota:
            break
        remove_segment(path)
        total -= size
        removed += 1
    return removed


def remove_expired(folder: Path, days: float, now: datetime | None = None) -> int:
    """Remove the segments that were created more than `days` ago; returns their number.

    Raises:
        OSError: a segment cannot be removed.
    """
    oldest = (now or datetime.now(UTC)) - timedelta(days=days)
    expired = [path for path in segment_paths(folder) if created_at(path) < oldest]
    for path in expired:
        remove_segment(path)
    return len(expired)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
