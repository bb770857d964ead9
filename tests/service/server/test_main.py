from __future__ import annotations

from pathlib import Path

import pytest

from service.security.key_file import generated_key
from service.server.main import announce
from tests.support.service import settings_for, write_home


@pytest.fixture
def home(tmp_path: Path) -> Path:
    write_home(tmp_path)
    return tmp_path


def test_announce_prints_the_generated_key(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    announce("http://127.0.0.1:8000", settings_for(home))
    address, key = capsys.readouterr().out.splitlines()
    assert address == "Duet is listening on http://127.0.0.1:8000"
    assert generated_key(home) in key


def test_announce_does_not_print_configured_keys(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    announce("http://127.0.0.1:8000", settings_for(home, api_keys=f"admin:{'a' * 16}", workers=2))
    assert capsys.readouterr().out == "Duet is listening on http://127.0.0.1:8000 (2 workers)\n"
    assert not (home / "api_key").exists()


def test_announce_empty_repository_says_how_to_get_models(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    announce("http://127.0.0.1:8000", settings_for(tmp_path, api_keys=f"admin:{'a' * 16}"))
    _, warning = capsys.readouterr().out.splitlines()
    assert warning.startswith(f"No model to serve yet: no model versions found in {tmp_path / 'none'} or ")
    assert "set DUET_SHIPPED_MODELS" in warning
