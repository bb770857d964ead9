"""The closed loop by wrk, with one thread, driven by wrk.lua.

Two things to know of its figures. wrk counts an answer as an error when its status is 400 or more; nothing here
redirects. And it "corrects" latencies: every latency above twice the mean counts again, shortened by the mean until
it is below. A server that answers evenly is not touched; the p99 of one with a long tail comes out somewhat high.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.serving.closed_loop import HEAD_START_SECONDS
from benchmarks.serving.errors import BenchmarkError
from benchmarks.serving.messages import HOST
from benchmarks.serving.results import Load

_SCRIPT = Path(__file__).with_name("wrk.lua")
_TIMEOUT_SECONDS = 60
_LINE = re.compile(r"^wrk-json (\{.*\})$", re.MULTILINE)


def wrk_path() -> str | None:
    """Where wrk is installed, or None."""
    return shutil.which("wrk")


def wrk_version(path: str) -> str:
    """Such as `4.1.0`; wrk prints it with its usage."""
    shown = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10, check=False)
    found = re.search(r"wrk (?:debian/)?(\S+)", shown.stdout + shown.stderr)
    return found.group(1) if found else "unknown"


def wrk_load(port: int, requests: Sequence[bytes], *, clients: int, seconds: float) -> Load:
    """As `python_load`, for `seconds` rounded up to whole ones, less the moment in which it opens its connections.

    Raises:
        BenchmarkError: wrk is missing or failed.
    """
    path = wrk_path()
    if path is None:
        raise BenchmarkError("wrk is not installed: install it (Debian's package is called wrk), or --generator python")
    whole = math.ceil(seconds)
    with tempfile.NamedTemporaryFile(prefix="wrk-requests-") as file:
        for request in requests:
            file.write(f"{len(request)}\n".encode() + request)
        file.flush()
        options = [f"-t1 -c{clients} -d{whole}s --timeout {_TIMEOUT_SECONDS}s".split(), ["-s", str(_SCRIPT)]]
        done = subprocess.run(
            [path, *options[0], *options[1], f"http://{HOST}:{port}/"],
            env={
                **os.environ,
                "DUET_WRK_REQUESTS": file.name,
                "DUET_WRK_CLIENTS": str(clients),
                "DUET_WRK_HEAD_START": f"{1000 * HEAD_START_SECONDS:.0f}",
            },
            capture_output=True,
            text=True,
            timeout=whole + 2 * _TIMEOUT_SECONDS,
            check=False,
        )
    if done.returncode != 0:
        raise BenchmarkError(f"wrk failed: {(done.stderr or done.stdout).strip()[-500:]}")
    return parse_wrk(done.stdout)


def parse_wrk(output: str) -> Load:
    """What wrk.lua printed.

    Raises:
        BenchmarkError: the line of JSON is not in it.
    """
    found = _LINE.search(output)
    if found is None:
        raise BenchmarkError(f"wrk did not print its figures: {output.strip()[-500:]}")
    counted = json.loads(found.group(1))
    # A request of a bad status is among `requests`; one that failed in another way is not.
    return Load(
        answered=counted["requests"] - counted["status"],
        errors=sum(counted[kind] for kind in ("connect", "read", "write", "timeout", "status")),
        seconds=counted["seconds"] - HEAD_START_SECONDS,
        p50_ms=counted["p50_us"] / 1000,
        p99_ms=counted["p99_us"] / 1000,
    )
