"""Servers are pinned, measured with all that they start, and gone afterwards whatever happens."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from benchmarks.serving.errors import BenchmarkError
from benchmarks.serving.processes import (
    ServerProcess,
    cpu_seconds,
    memory,
    resident_mb,
    server_process,
    session_pids,
)

# A parent that starts a child, ignores requests to stop, and holds 64 MB.
STUBBORN = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    time.sleep(60)
held = bytearray(64_000_000)
print(sorted(os.sched_getaffinity(0)), os.environ.get("DUET_HOME"), os.environ.get("ADDED"), flush=True)
time.sleep(60)
"""


def core() -> int:
    return max(os.sched_getaffinity(0))


def written(server: ServerProcess) -> str:
    end = time.monotonic() + 20
    while not (text := server.log.read_text()) and time.monotonic() < end:
        time.sleep(0.01)
    return text


@pytest.fixture
def stop_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.serving.processes.STOP_SECONDS", 0.5)


@pytest.mark.usefixtures("stop_at_once")
def test_a_server_is_pinned_measured_and_stopped_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DUET_HOME", "/of/the/caller")
    own = os.sched_getaffinity(0)
    environment = {"ADDED": "this"}
    command = [sys.executable, "-c", STUBBORN]
    with server_process("made up", command, port=1, cores={core()}, environment=environment, folder=tmp_path) as server:
        assert written(server) == f"[{core()}] None this\n"
        assert os.sched_getaffinity(0) == own
        pids = server.pids()
        assert len(pids) == 2
        found = memory(pids)
        assert found.rss_mb > 64
        assert 64 < found.pss_mb <= found.rss_mb
        assert resident_mb(pids) == pytest.approx(found.rss_mb, rel=0.05)
        assert cpu_seconds(pids) > 0
        assert cpu_seconds([]) == 0
    assert session_pids(server.process.pid) == []


@pytest.mark.usefixtures("stop_at_once")
@pytest.mark.parametrize("kind", [RuntimeError, KeyboardInterrupt])
def test_a_server_is_stopped_when_the_benchmark_fails_or_is_interrupted(
    tmp_path: Path, kind: type[BaseException]
) -> None:
    sessions = []

    def benchmark() -> None:
        command = [sys.executable, "-c", STUBBORN]
        with server_process("made up", command, port=1, cores={core()}, environment={}, folder=tmp_path) as server:
            sessions.append(server.process.pid)
            assert written(server)
            raise kind

    with pytest.raises(kind):
        benchmark()
    assert session_pids(sessions[0]) == []


def test_a_server_that_ended_is_reported_with_what_it_said(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import sys; sys.exit('no such model')"]
    with server_process("made up", command, port=1, cores={core()}, environment={}, folder=tmp_path) as server:
        server.process.wait(20)
        with pytest.raises(BenchmarkError, match="made up ended with status 1: no such model"):
            server.require_alive()
