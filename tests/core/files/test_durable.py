from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from core.errors import RepositoryError
from core.files import durable
from core.files.durable import atomic_replace, file_lock, write_fsync


def test_a_write_is_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[tuple[int, int]] = []

    def recording_fsync(descriptor: int) -> None:
        status = os.fstat(descriptor)
        synced.append((status.st_ino, status.st_size))

    monkeypatch.setattr(os, "fsync", recording_fsync)
    write_fsync(tmp_path / "file", b"content")
    assert synced == [((tmp_path / "file").stat().st_ino, 7)]


def test_a_replacement_that_fails_leaves_the_old_content_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    atomic_replace(path, b"old")

    def refusing_fsync(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", refusing_fsync)
    with pytest.raises(OSError, match="No space left"):
        atomic_replace(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_replacement_swaps_whole_files(tmp_path: Path) -> None:
    path = tmp_path / "file"
    atomic_replace(path, b"old, and longer than the new")
    with path.open("rb") as reader:
        atomic_replace(path, b"new")
        assert reader.read() == b"old, and longer than the new"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_lock_that_another_holds_is_an_error_after_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durable, "LOCK_TIMEOUT_S", 0.0)
    with (
        file_lock(tmp_path / "lock"),
        pytest.raises(RepositoryError, match=r"another process has held .*lock"),
        file_lock(tmp_path / "lock"),
    ):
        pass
    with file_lock(tmp_path / "lock"):
        pass


def test_a_lock_that_cannot_be_opened_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "lock").mkdir()
    with pytest.raises(RepositoryError, match=r"cannot lock .*: Is a directory"), file_lock(tmp_path / "lock"):
        pass
