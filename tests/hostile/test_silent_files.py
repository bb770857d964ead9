"""Shutdown while a file system hangs, such as a network share: the service still ends after SIGTERM."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SERVE = """
import threading
from core.repository.repository import ModelRepository
from service.server import exit_watchdog
from service.server.main import serve
from service.settings import read_settings

exit_watchdog.CLOSE_SECONDS = 0.5
ModelRepository.champions = lambda repository: threading.Event().wait()
if __name__ == "__main__":  # workers import the script
    serve(read_settings(port=0))
"""


@pytest.mark.parametrize("workers", ["1", pytest.param("2", marks=pytest.mark.full)])
def test_service_ends_although_a_file_system_hangs(home: Path, workers: str) -> None:
    environment = os.environ | {
        "DUET_HOME": str(home),
        "DUET_EMBEDDED_BROKER": "0",
        "DUET_WORKERS": workers,
        "DUET_DRAIN_NOTICE_SECONDS": "0",
        "DUET_LOG_FORMAT": "json",
    }
    script = home / "serve_silent_files.py"
    script.write_text(SERVE, encoding="utf-8")
    with subprocess.Popen(
        [sys.executable, str(script)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as service:
        assert service.stdout is not None
        assert "http://127.0.0.1:" in service.stdout.readline()
        service.send_signal(signal.SIGTERM)
        _, log = service.communicate(timeout=120)
    assert service.returncode == 0, log
    assert "ended without" in log  # a worker that is still starting just ends
