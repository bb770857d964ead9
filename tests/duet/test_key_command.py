from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from core.errors import ConfigurationError
from duet.cli import app
from service.security.key_file import generated_key


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
