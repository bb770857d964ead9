from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import BinaryIO

import pytest

from core.errors import RepositoryError
from core.files import durable
from core.files.durable import atomic_replace, file_lock, remove_temporaries, write_fsync


def test_write_fsync_flushes_the_whole_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[tuple[int, int]] = []

    def recording_fsync(descriptor: int) -> None:
        status = os.fstat(descriptor)
        synced.append((status.st_ino, status.st_size))

    monkeypatch.setattr(os, "fsync", recording_fsync)
    write_fsync(tmp_path / "file", b"content")
    assert synced == [((tmp_path / "file").stat().st_ino, 7)]


def test_atomic_replace_on_a_full_disk_keeps_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    atomic_replace(path, b"old")

    def refusing_fsync(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", refusing_fsync)
    with pytest.raises(OSError, match="No space left"):
        atomic_replace(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_atomic_replace_swaps_whole_files(tmp_path: Path) -> None:
    path = tmp_path / "file"
    atomic_replace(path, b"old, and longer than the new")
    with path.open("rb") as reader:
        atomic_replace(path, b"new")
        assert reader.read() == b"old, and longer than the new"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_atomic_replace_discards_output_of_a_failed_writer(tmp_path: Path) -> None:
    path = tmp_path / "file"
    atomic_replace(path, lambda stream: stream.write(b"old"))

    def failing(stream: BinaryIO) -> None:
        stream.write(b"half")
        raise ValueError("not finished")

    with pytest.raises(ValueError, match="not finished"):
        atomic_replace(path, failing)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_remove_temporaries_removes_only_those_of_the_path(tmp_path: Path) -> None:
    kept = [tmp_path / name for name in ("file", "other", ".other.7.tmp")]
    for path in (*kept, tmp_path / ".file.7.tmp", tmp_path / ".file.8.tmp"):
        path.touch()
    remove_temporaries(tmp_path / "file")
    assert sorted(tmp_path.iterdir()) == sorted(kept)


def test_file_lock_held_by_another_raises_after_the_timeout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durable, "LOCK_TIMEOUT_S", 0.0)
    with (
        file_lock(tmp_path / "lock"),
        pytest.raises(RepositoryError, match=r"another process has held .*lock"),
        file_lock(tmp_path / "lock"),
    ):
        pass
    with file_lock(tmp_path / "lock"):
        pass


def test_file_lock_that_cannot_be_opened_raises(tmp_path: Path) -> None:
    (tmp_path / "lock").mkdir()
    with pytest.raises(RepositoryError, match=r"cannot lock .*: Is a directory"), file_lock(tmp_path / "lock"):
        pass
