from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from core.errors import ConfigurationError
from duet.cli import app
from service.security.key_file import generated_key
from tests.support.duet_command import Duet


def test_key_prints_the_generated_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUET_HOME", str(tmp_path))
    monkeypatch.delenv("DUET_API_KEYS", raising=False)
    made = generated_key(tmp_path)
    shown = CliRunner().invoke(app, ["key"])
    assert (shown.exit_code, shown.stdout) == (0, made + "\n")


def test_key_with_configured_keys_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUET_HOME", str(tmp_path))
    monkeypatch.setenv("DUET_API_KEYS", f"admin:{'a' * 16}")
    shown = CliRunner().invoke(app, ["key"])
    assert isinstance(shown.exception, ConfigurationError)
    assert "a" * 16 not in shown.output
    assert list(tmp_path.iterdir()) == []


def test_key_without_a_service_creates_nothing(
    home: Path, duet: Duet, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DUET_API_KEYS", raising=False)
    assert duet("key") == 1
    message = capsys.readouterr().err
    assert f"no API key in {home}" in message
    assert "set DUET_HOME" in message
    assert not home.exists()


def test_worker_without_a_service_creates_nothing(
    home: Path, duet: Duet, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DUET_REDIS_URL", raising=False)
    assert duet("worker") == 1
    assert f"no service has run a broker in {home}" in capsys.readouterr().err
    assert not home.exists()


def test_home_prints_the_folder_and_its_rule(home: Path, duet: Duet, capsys: pytest.CaptureFixture[str]) -> None:
    assert duet("home") == 0
    assert capsys.readouterr() == (f"{home}\n", "set by DUET_HOME; it does not exist yet\n")
    assert not home.exists()
