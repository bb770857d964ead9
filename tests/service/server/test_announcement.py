from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from service.security.key_file import generated_key
from service.server.announcement import announce
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


@pytest.mark.slow
def test_address_and_key_are_the_last_lines_on_a_terminal(home: Path) -> None:
    lines = terminal_lines(home)
    assert [text for text in lines if "serving" in text]
    assert lines[0].startswith("\x1b[2m")
    assert "\x1b[32minfo" in lines[0]
    assert not any(line.startswith("{") for line in lines)
    address, key = lines[-2:]
    assert address.startswith("Duet is listening on \x1b[1mhttp://127.0.0.1:")
    assert key.startswith(f"API key for requests that change something: \x1b[1m{generated_key(home)}\x1b[0m")


@pytest.mark.slow
def test_json_can_be_forced_and_colors_turned_off(home: Path) -> None:
    lines = terminal_lines(home, DUET_LOG_FORMAT="json", NO_COLOR="1")
    assert next(json.loads(line)["message"] for line in lines[:-2]) == "settings"
    assert lines[-2].startswith("Duet is listening on http://127.0.0.1:")
    assert not any("\x1b" in line for line in lines)


def terminal_lines(home: Path, **changes: str) -> list[str]:
    """The non-empty lines of `duet serve` in a terminal, from its start until it has announced the key."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DUET_", "NO_COLOR"))}
    environment |= {"DUET_HOME": str(home), "DUET_SHIPPED_MODELS": str(home / "none"), "DUET_EMBEDDED_BROKER": "0"}
    control, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "duet", "serve", "--port", "0"],
        env=environment | changes,
        stdout=terminal,
        stderr=terminal,
        stdin=subprocess.DEVNULL,
    )
    os.close(terminal)
    shown = b""
    try:
        while b"shows it again" not in shown:
            shown += os.read(control, 65536)
    finally:
        process.kill()
        process.wait()
        os.close(control)
    return [line for line in shown.decode().splitlines() if line.strip()]
