"""Exit watchdog: ends a process whose threads wait, but not a process that works."""

from __future__ import annotations

import subprocess
import sys

import pytest

END = """
import threading, time
from service.server import exit_watchdog

exit_watchdog.CLOSE_SECONDS = 0.3
watchdog = exit_watchdog.ExitWatchdog()
watchdog.start()
watchdog.start()
until = time.monotonic() + 1
{work}
print("closed", flush=True)
threading.Event().wait({wait})
"""


@pytest.mark.parametrize(
    ("work", "wait", "output"),
    [
        ("threading.Event().wait()", "", ""),
        ("while time.monotonic() < until: sum(range(10_000))", "", "closed\n"),
        ("watchdog.cancel()", "1", "closed\n"),
    ],
    ids=["waits", "works, then waits", "canceled"],
)
def test_process_whose_threads_wait_is_ended(work: str, wait: str, output: str) -> None:
    script = END.format(work=work, wait=wait)
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert (run.returncode, run.stdout) == (0, output)
    assert ("ended without waiting for MainThread" in run.stderr) == (not wait)
