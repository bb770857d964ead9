"""Journal of predictions: rows survive a kill, once each, and belong to one model."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from filelock import FileLock

from core.batch.journal import Header, Journal
from core.batch.rows import Row
from core.errors import ConfigurationError

HEADER = Header(model="cnn@4", precision="fp32", source="offline")
ROWS = [Row(file=f"a\n{number}.png", label="cat", probability=0.5, prediction_set=("cat",)) for number in range(4)]


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "out.csv"


def test_rows_are_read_again(output: Path) -> None:
    with Journal(output) as journal:
        journal.begin(HEADER)
        journal.append(ROWS[:1])
        journal.append(ROWS[1:3])
    with Journal(output) as journal:
        journal.begin(HEADER)
        assert journal.done == {row.file for row in ROWS[:3]}
        journal.append(ROWS[3:])
        assert list(journal.rows([ROWS[3].file, "other", ROWS[0].file])) == [ROWS[3], ROWS[0]]


def test_torn_line_is_cut_off(output: Path) -> None:
    with Journal(output) as journal:
        journal.begin(HEADER)
        journal.append(ROWS[:2])
    content = journal.path.read_bytes()
    for end in range(len(content)):
        journal.path.write_bytes(content[:end])
        with Journal(output) as again:
            again.begin(HEADER)
            kept = content[:end].count(b"\n")
            assert len(again.done) == max(0, kept - 1)
            again.append([row for row in ROWS[:2] if row.file not in again.done])
            assert list(again.rows([row.file for row in ROWS])) == ROWS[:2]


def test_journal_of_another_model_is_refused(output: Path) -> None:
    with Journal(output) as journal:
        journal.begin(HEADER)
        journal.append(ROWS[:1])
    with Journal(output) as journal, pytest.raises(ConfigurationError, match="are of model cnn@4, not cnn@5: continue"):
        journal.begin(HEADER.model_copy(update={"model": "cnn@5"}))
    with Journal(output) as journal:
        journal.begin(HEADER)
        assert len(journal.done) == 1


@pytest.mark.parametrize("text", ["my notes\n", "my notes", "{}\n"])
def test_other_file_is_not_overwritten(output: Path, text: str) -> None:
    path = Journal(output).path
    path.write_text(text)
    with pytest.raises(ConfigurationError, match="is not a journal of predictions"), Journal(output) as journal:
        journal.begin(HEADER)
    assert path.read_text() == text


def test_two_processes_do_not_share_a_journal(output: Path) -> None:
    with Journal(output), pytest.raises(ConfigurationError, match="another process is writing"), Journal(output):
        pass
    assert list(output.parent.iterdir()) == []


def _no_space(_: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_full_disk_keeps_the_finished_rows(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Journal(output) as journal:
        journal.begin(HEADER)
        journal.append(ROWS[:2])
        monkeypatch.setattr(os, "fsync", _no_space)
        with pytest.raises(ConfigurationError, match="run the command again when"):
            journal.append(ROWS[2:])
    monkeypatch.undo()
    with Journal(output) as journal:
        journal.begin(HEADER)
        assert {row.file for row in ROWS[:2]} <= journal.done


def test_folder_that_cannot_be_written_is_named(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(FileLock, "acquire", refuse)
    with pytest.raises(ConfigurationError, match="make its folder writable"), Journal(output):
        pass
