"""Reading of regular files only."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import pytest

from core.errors import RepositoryError
from core.files.regular import open_regular, read_regular
from core.repository.repository import ModelRepository
from tests.support.versions import write_version


def test_regular_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    assert read_regular(path) == b"content"
    (tmp_path / "link").symlink_to(path)
    with open_regular(tmp_path / "link") as stream:
        assert stream.read() == b"content"


def test_pipe_is_an_error_instead_of_a_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(OSError, match="not a regular file"):
            read_regular(path)
    with pytest.raises(IsADirectoryError):
        read_regular(tmp_path)
    with pytest.raises(FileNotFoundError):
        read_regular(tmp_path / "none")


@pytest.mark.parametrize("name", ["cnn/1/manifest.json", "cnn/1/model.onnx", "aliases.json"])
def test_repository_with_a_pipe_refuses_instead_of_waiting(tmp_path: Path, name: str) -> None:
    write_version(tmp_path / "cnn" / "1", "cnn", 1)
    (tmp_path / name).unlink(missing_ok=True)
    os.mkfifo(tmp_path / name)
    repository = ModelRepository(tmp_path, tmp_path / "none")
    read = repository.champions if name == "aliases.json" else partial(repository.verify, "cnn", 1)
    with pytest.raises(RepositoryError, match="not a regular file"):
        read()
