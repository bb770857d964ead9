from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from service.supervisor.program import Program
from service.supervisor.supervised_process import Backoff, RestartingProcess
from tests.support.children import is_alive, lines_of, wait_until

STUBBORN = "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)"


def program(output: Path, source: str = "import os, time", *, stop_seconds: float = 30) -> Program:
    """Script that prints its process id and sleeps."""
    said = f"{source}; print(os.getpid(), flush=True); time.sleep(600)"
    return Program(name="sleeper", command=(sys.executable, "-S", "-c", said), stop_seconds=stop_seconds, output=output)


def pids(output: Path) -> list[int]:
    return [int(line) for line in lines_of(output)]


def test_ended_program_is_restarted_and_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    output = tmp_path / "output"
    restarting = RestartingProcess(program(output))
    restarting.start()
    wait_until(lambda: len(pids(output)) == 1)
    os.kill(pids(output)[0], signal.SIGKILL)
    wait_until(lambda: len(pids(output)) == 2)
    first, second = pids(output)
    assert not is_alive(first)
    restarting.stop()
    assert not is_alive(second)
    assert pids(output) == [first, second]
    messages = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert messages == ["the sleeper ended with SIGKILL, restarting it in 0.5 s"]
    assert caplog.records[-1].__dict__.get("last_words") in (None, str(first))


def test_may_start_delays_the_start(tmp_path: Path) -> None:
    output, may_start = tmp_path / "output", threading.Event()
    restarting = RestartingProcess(program(output), may_start=may_start.is_set)
    restarting.start()
    time.sleep(0.2)
    assert pids(output) == []
    may_start.set()
    wait_until(lambda: len(pids(output)) == 1)
    restarting.stop()


def test_stop_without_a_start_returns(tmp_path: Path) -> None:
    restarting = RestartingProcess(program(tmp_path / "output"), may_start=lambda: False)
    restarting.start()
    restarting.stop()
    assert pids(tmp_path / "output") == []


def test_stop_ends_the_backoff(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    restarting = RestartingProcess(
        Program(name="failing", command=("false",), stop_seconds=600, output=tmp_path / "output")
    )
    restarting.start()
    wait_until(lambda: "restarting it" in caplog.text)
    restarting.stop()
    assert [record.getMessage() for record in caplog.records] == [
        "started the failing",
        "the failing ended with exit status 1, restarting it in 0.5 s",
    ]


def test_stubborn_program_is_killed_with_its_group(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    output = tmp_path / "output"
    restarting = RestartingProcess(program(output, f"{STUBBORN}; os.fork()", stop_seconds=0.2))
    restarting.start()
    wait_until(lambda: len(pids(output)) == 2)
    restarting.stop()
    wait_until(lambda: not any(is_alive(pid) for pid in pids(output)))
    assert "the sleeper did not stop within 0.2 s, killing it" in caplog.text


def test_second_signal_does_not_wait(tmp_path: Path) -> None:
    output = tmp_path / "output"
    restarting = RestartingProcess(program(output, STUBBORN, stop_seconds=600))
    restarting.start()
    wait_until(lambda: len(pids(output)) == 1)
    stopping = threading.Thread(target=restarting.stop)
    stopping.start()
    time.sleep(0.1)
    assert is_alive(pids(output)[0])
    restarting.kill()
    stopping.join()
    assert not is_alive(pids(output)[0])


def test_backoff_doubles_up_to_its_maximum() -> None:
    backoff = Backoff(max_seconds=3)
    assert [backoff.pause(0.1) for _ in range(5)] == [0.5, 1, 2, 3, 3]


def test_backoff_is_reset_by_a_long_run() -> None:
    backoff = Backoff()
    assert [backoff.pause(1) for _ in range(3)] == [0.5, 1, 2]
    assert backoff.pause(31) == 0.5
    assert backoff.pause(1) == 1
