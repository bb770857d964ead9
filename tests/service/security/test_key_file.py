from __future__ import annotations

import stat
from pathlib import Path

import pytest

from core.errors import ConfigurationError
from service.security import key_file
from service.security.key_file import KEY_FILE, generated_key
from tests.support.processes import killed_at, run_together


def test_key_file_is_created_once_and_private(tmp_path: Path) -> None:
    home = tmp_path / "home"
    key = generated_key(home)
    assert len(key) >= 43  # 256 bits
    assert generated_key(home) == key
    assert stat.S_IMODE((home / KEY_FILE).stat().st_mode) == 0o600
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert [path.name for path in home.iterdir()] == [KEY_FILE]
    assert generated_key(tmp_path / "other") != key


def write_key(home: Path, answer: Path) -> None:
    answer.write_text(generated_key(home), encoding="utf-8")


def test_concurrent_processes_use_the_same_key(tmp_path: Path) -> None:
    home = tmp_path / "home"
    answers = [tmp_path / f"{i}.txt" for i in range(6)]
    run_together(write_key, [(home, answer) for answer in answers])
    assert {answer.read_text() for answer in answers} == {generated_key(home)}
    assert [path.name for path in home.iterdir()] == [KEY_FILE]


def make_key(home: Path) -> None:
    generated_key(home)


@pytest.mark.slow
def test_key_creation_killed_at_any_line_is_all_or_nothing(tmp_path: Path) -> None:
    step, killed = 1, True
    while killed:
        home = tmp_path / str(step)
        killed = killed_at(step, [key_file], make_key, home)
        if (home / KEY_FILE).exists():
            assert (home / KEY_FILE).read_text().strip() == generated_key(home)
        assert len(generated_key(home)) >= 43
        step += 1
    assert step > 10


@pytest.mark.parametrize("content", [b"", b"short\n", b"\xff" * 40])
def test_file_without_a_key_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / KEY_FILE).write_bytes(content)
    with pytest.raises(ConfigurationError, match=KEY_FILE):
        generated_key(tmp_path)


def test_unwritable_home_is_refused(tmp_path: Path) -> None:
    (tmp_path / KEY_FILE).mkdir()
    with pytest.raises(ConfigurationError, match="DUET_API_KEYS"):
        generated_key(tmp_path)
