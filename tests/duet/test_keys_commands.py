from __future__ import annotations

from pathlib import Path

import pytest

from service.security.key_source import KeySource
from service.security.key_store import KEYS_NAME, read_key_file
from tests.support.duet_command import Duet


def test_documented_commands_run(home: Path, duet: Duet, capsys: pytest.CaptureFixture[str]) -> None:
    """The commands of docs/deployment.md."""
    assert duet("keys", "add", "ci", "--scope", "jobs", "--expires-days", "90", "--queued-jobs", "5") == 0
    printed = capsys.readouterr()
    secret = printed.out.strip()
    assert "\n" not in secret
    assert "not shown again" in printed.err
    source = KeySource(None, home)
    found = source.keyring.find(secret)
    assert found is not None
    assert found.limits.queued_jobs == 5
    assert duet("keys", "list") == 0
    listed = capsys.readouterr().out
    assert found.id in listed
    assert "queued_jobs=5" in listed
    assert secret not in listed
    assert duet("keys", "rotate", "ci", "--overlap-hours", "24") == 0
    assert capsys.readouterr().out.strip() != secret
    assert duet("keys", "revoke", "ci") == 0
    assert read_key_file(home).keys == ()
    capsys.readouterr()
    assert duet("keys", "list") == 0
    assert "duet keys add" in capsys.readouterr().err


def test_wrong_arguments_are_one_line(home: Path, duet: Duet, capsys: pytest.CaptureFixture[str]) -> None:
    assert duet("keys", "add", "ci", "--scope", "root") == 1
    assert "scope" in capsys.readouterr().err
    assert duet("keys", "add", "a b", "--scope", "jobs") == 1
    assert "1 to 64 letters" in capsys.readouterr().err
    assert duet("keys", "revoke", "phone") == 1
    assert "no key is stored" in capsys.readouterr().err
    home.mkdir(exist_ok=True)
    (home / KEYS_NAME).write_text("{")
    assert duet("keys", "list") == 1
    assert KEYS_NAME in capsys.readouterr().err
