"""Supervised programs as real processes, which die with their parent and hold their lock."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from service.supervisor.program import Program, describe_end
from tests.support.children import is_alive, wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parents")
SLEEP = (sys.executable, "-S", "-c", "import time; time.sleep(600)")
PARENT = """
import os, signal, sys
from pathlib import Path
from service.supervisor.program import Program
program = Program(name="child", command={command!r}, stop_seconds=1, output=Path({output!r}), orphaned=signal.{signal})
print(program.start().pid, flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("sent", ["SIGTERM", "SIGKILL"])
def test_killed_parent_signals_the_child(tmp_path: Path, sent: str) -> None:
    says = "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(print('asked', flush=True)))"
    command = (sys.executable, "-S", "-c", f"{says}; print('up', flush=True); time.sleep(600)")
    output = tmp_path / "output"
    program = PARENT.format(command=command, output=str(output), signal=sent)
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout
        child = int(parent.stdout.readline())
        wait_until(lambda: output.read_text() == "up\n")
        parent.kill()
    wait_until(lambda: not is_alive(child))
    assert output.read_text() == ("up\nasked\n" if sent == "SIGTERM" else "up\n")


def test_locked_program_waits_for_the_first(tmp_path: Path) -> None:
    output = tmp_path / "output"
    program = Program(
        name="holder",
        command=(sys.executable, "-S", "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(600)"),
        stop_seconds=1,
        output=output,
        lock=tmp_path / "lock",
    )
    first = program.start()
    wait_until(lambda: output.read_text() == f"{first.pid}\n")
    second = program.start()
    try:
        time.sleep(0.3)
        assert second.poll() is None
        assert output.read_text() == f"{first.pid}\n"
        first.kill()
        first.wait()
        wait_until(lambda: output.read_text() == f"{first.pid}\n{second.pid}\n")
    finally:
        second.kill()
        second.wait()


def test_program_has_its_folder_environment_and_session(tmp_path: Path) -> None:
    asks = "import os; print(os.getcwd(), os.environ['DUET_X'], os.nice(0), os.getsid(0) == os.getpid(), os.read(0, 1))"
    program = Program(
        name="asking",
        command=(sys.executable, "-S", "-c", asks),
        stop_seconds=1,
        environment={"DUET_X": "told"},
        folder=tmp_path,
        output=tmp_path / "output",
        niceness=3,
    )
    before = os.nice(0)
    assert program.start().wait(30) == 0
    assert program.last_output() == f"{tmp_path} told {min(19, before + 3)} True b''"
    assert (tmp_path / "output").stat().st_mode & 0o111 == 0


def test_program_restores_ignored_signals(tmp_path: Path) -> None:
    program = Program(name="cat", command=("cat", "/proc/self/status"), stop_seconds=1, output=tmp_path / "output")
    assert program.start().wait(30) == 0
    [ignored] = [line for line in (tmp_path / "output").read_text().splitlines() if line.startswith("SigIgn")]
    # Python ignores these two; what else is ignored was so before the tests began.
    pythons = {signal.SIGPIPE, signal.SIGXFSZ}
    assert not {number for number in pythons if int(ignored.split()[1], 16) >> (number - 1) & 1}


def test_missing_program_is_named_in_the_output(tmp_path: Path) -> None:
    program = Program(name="missing", command=(str(tmp_path / "no"),), stop_seconds=1, output=tmp_path / "output")
    assert program.last_output() is None
    assert program.start().wait(30) == 1
    assert program.last_output() == f"cannot run {tmp_path / 'no'}: No such file or directory"


def test_describe_end_names_statuses_and_signals() -> None:
    assert describe_end(3) == "exit status 3"
    assert describe_end(-signal.SIGKILL) == "SIGKILL"
    assert describe_end(-200) == "signal 200"
