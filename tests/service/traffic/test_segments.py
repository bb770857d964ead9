"""Segment files: torn tails, damage, erased frames, full disk."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from service.traffic.segments import Segment, created_at, erase, frame, read_frame, read_frames, segment_paths

BODIES = [b"first", b"second record", b"third"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    segment = Segment(tmp_path)
    segment.append(BODIES)
    segment.close()
    return segment.path


def bodies(path: Path, start: int = 0) -> list[bytes]:
    return [each.body for each in read_frames(path, start)]


def test_frames_are_read_from_any_end_on(path: Path) -> None:
    assert bodies(path) == BODIES
    first, *_ = read_frames(path)
    assert bodies(path, first.end) == BODIES[1:]
    assert read_frame(path, first.end) == b"second record"


def test_every_torn_tail_is_ignored(path: Path) -> None:
    content = path.read_bytes()
    ends = [each.end for each in read_frames(path)]
    for length in range(len(content)):
        path.write_bytes(content[:length])
        assert bodies(path) == BODIES[: sum(end <= length for end in ends)], length


def test_last_frame_with_a_wrong_checksum_is_read_once_it_is_whole(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:-1] + b"?")
    assert bodies(path) == BODIES[:2]
    path.write_bytes(content)
    assert bodies(path) == BODIES


def test_damaged_frame_in_the_middle_is_skipped(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"second", b"sEcond"))

    assert bodies(path) == [b"first", b"", b"third"]


def test_zeros_after_a_power_cut_end_the_segment(path: Path) -> None:
    path.write_bytes(path.read_bytes() + bytes(64))

    assert bodies(path) == BODIES


def test_erased_frames_keep_the_others_and_lose_their_bytes(path: Path) -> None:
    _, second, third = read_frames(path)
    erase(path, [second, third])

    assert bodies(path) == [b"first", b"", b""]
    assert b"second" not in path.read_bytes()
    assert read_frame(path, second.offset) == b""


def test_segment_is_extended_while_a_frame_is_erased(tmp_path: Path) -> None:
    segment = Segment(tmp_path)
    segment.append([b"one"])
    erase(segment.path, list(read_frames(segment.path)))
    segment.append([b"two"])

    assert bodies(segment.path) == [b"", b"two"]
    segment.close()


def test_full_disk_leaves_no_part_of_a_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    segment = Segment(tmp_path)
    segment.append([b"one"])
    write = os.write

    def fill_disk(descriptor: int, content: bytes) -> int:
        if len(content) > 8:
            return write(descriptor, content[:8])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", fill_disk)
        with pytest.raises(OSError, match="No space left"):
            segment.append([b"x"])
    segment.close()

    assert segment.path.read_bytes() == frame(b"one")


def test_names_are_ordered_by_creation_and_other_files_ignored(tmp_path: Path) -> None:
    segments = [Segment(tmp_path) for _ in range(3)]
    (tmp_path / "notes.seg").write_bytes(b"")

    assert segment_paths(tmp_path) == [segment.path for segment in segments]
    assert created_at(segments[0].path) <= created_at(segments[1].path)
    assert segments[0].path.stat().st_mode & 0o077 == 0
    for segment in segments:
        segment.close()
    assert segment_paths(tmp_path) == []  # empty ones are removed


def test_removed_segment_is_noticed_and_read_as_empty(tmp_path: Path) -> None:
    segment = Segment(tmp_path)
    segment.append([b"one"])
    segment.path.unlink()

    assert segment.is_removed
    assert read_frame(segment.path, 0) == b""
    segment.close()
