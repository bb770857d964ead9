"""Servers are pinned, measured with their child processes, and always stopped."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from benchmarks.common import server as module
from benchmarks.common.report import BenchmarkError
from benchmarks.common.server import Server, cpu_seconds, rss_mb, start_server
from tests.benchmarks.commands import is_running

# A parent that starts a child, ignores SIGTERM, and holds 64 MB; `timeit` runs it as `python -m timeit`.
STUBBORN = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    time.sleep(60)
held = bytearray(64_000_000)
print(sorted(os.sched_getaffinity(0)), os.environ.get("DUET_HOME"), os.environ.get("ADDED"), flush=True)
time.sleep(60)
"""


def core() -> int:
    return max(os.sched_getaffinity(0))


def start(folder: Path, code: str, environment: Mapping[str, str] | None = None) -> AbstractContextManager[Server]:
    command = ["timeit", "-n1", "-r1", code]
    return start_server("made-up", command, environment or {}, port=1, folder=folder, cores=(core(),))


def wait_for_log(server: Server) -> str:
    end = time.monotonic() + 20
    while not (text := server.log.read_text()) and time.monotonic() < end:
        time.sleep(0.01)
    return text


@pytest.fixture(autouse=True)
def stop_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STOP_SECONDS", 0.5)


def test_server_is_pinned_measured_and_stopped_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DUET_HOME", "/of/the/caller")
    own = os.sched_getaffinity(0)
    with start(tmp_path, STUBBORN, {"ADDED": "this"}) as server:
        assert wait_for_log(server) == f"[{core()}] None this\n"
        assert os.sched_getaffinity(0) == own
        processes = server.processes()
        assert len(processes) == 2
        assert rss_mb(processes) > 64
        assert cpu_seconds(processes) > 0
        assert cpu_seconds([]) == 0
    assert not any(map(is_running, processes))


def test_server_that_exited_is_reported_with_its_log(tmp_path: Path) -> None:
    with start(tmp_path, "import sys; sys.exit('no such model')") as server:
        server.process.wait(20)
        with pytest.raises(BenchmarkError, match=r"(?s)made-up exited with status 1: .*no such model"):
            server.wait_for_answer(b"")
