"""Quota of captured traffic: the oldest segments are removed first."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from service.traffic.retention import make_room, remove_expired, used_bytes
from service.traffic.segments import created_at, segments_folder
from tests.support.traffic import captured, write_segment


def test_make_room_removes_the_oldest_segments_only_as_needed(tmp_path: Path) -> None:
    paths = [write_segment(tmp_path, [captured(str(i))]) for i in range(4)]
    folder = segments_folder(tmp_path)
    size = paths[0].stat().st_size
    assert used_bytes(folder) == 4 * size

    assert make_room(folder, size, 5 * size) == 0
    assert make_room(folder, size + 1, 4 * size) == 2

    assert [path.exists() for path in paths] == [False, False, True, True]


def test_remove_expired_counts_from_the_creation_of_a_segment(tmp_path: Path) -> None:
    first, second = (write_segment(tmp_path, [captured()]) for _ in range(2))
    folder = segments_folder(tmp_path)

    assert remove_expired(folder, 2, created_at(first) + timedelta(days=2)) == 0
    assert remove_expired(folder, 2, created_at(first) + timedelta(days=2, microseconds=1)) == 1
    assert not first.exists()
    assert second.exists()
