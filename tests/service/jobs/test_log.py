"""Log of a job without paths of the server, at any offset."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.errors.hidden_paths import hide_paths, paths_in_bytes
from service.jobs import log

FOLDERS = {"DUET_HOME": Path("/srv/duet"), "DUET_DATA_DIR": Path("/srv/duet/data")}
HIDDEN = paths_in_bytes(**FOLDERS)
TEXT = "é /srv/duet: read /srv/duet/data/x, not /srv/duet-2 nor /srv/duet.old\nwrote /srv/duet/runs\n"


@pytest.mark.parametrize("chunk_bytes", [1, 2, 7, 64_000])
def test_paths_are_hidden_across_chunks(chunk_bytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "_CHUNK_BYTES", chunk_bytes)
    path = tmp_path / "log"
    path.write_text(TEXT, encoding="utf-8")
    end = log.complete_end(path, HIDDEN)
    assert end == len(TEXT.encode())
    assert b"".join(log.read_between(path, 0, end, HIDDEN)).decode() == hide_paths(TEXT, **FOLDERS)


def test_path_around_an_offset_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"wrote /srv/duet/runs\n")
    for offset in range(7, 15):
        assert b"".join(log.read_between(path, offset, 21, HIDDEN)) == b"/runs\n"


def test_log_that_grows_byte_by_byte_never_shows_a_path(tmp_path: Path) -> None:
    path, content, offset, returned = tmp_path / "log", TEXT.encode(), 0, b""
    for size in range(1, len(content) + 1):
        path.write_bytes(content[:size])
        end = log.complete_end(path, HIDDEN)
        returned += b"".join(log.read_between(path, offset, end, HIDDEN))
        offset = end
    assert returned.decode() == hide_paths(TEXT, **FOLDERS)


def test_missing_log_has_no_text(tmp_path: Path) -> None:
    assert log.complete_end(tmp_path / "log", HIDDEN) == 0
    assert list(log.read_between(tmp_path / "log", 0, 5, HIDDEN)) == []
