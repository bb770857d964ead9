from __future__ import annotations

from pathlib import Path

import pytest

from service.security.key_file import generated_key
from service.server.banner import announce
from tests.support.service import settings_for


def test_the_generated_key_is_printed_below_the_address(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    announce("http://127.0.0.1:8000", settings_for(tmp_path))
    address, key = capsys.readouterr().out.splitlines()
    assert address == "Duet is listening on http://127.0.0.1:8000"
    assert generated_key(tmp_path) in key


def test_keys_that_are_set_are_not_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    announce("http://127.0.0.1:8000", settings_for(tmp_path, api_keys=f"admin:{'a' * 16}", workers=2))
    assert capsys.readouterr().out == "Duet is listening on http://127.0.0.1:8000 (2 workers)\n"
    assert not (tmp_path / "api_key").exists()
