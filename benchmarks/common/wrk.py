"""Closed loop by wrk: each client sends its next request as soon as it has an answer.

benchmarks/README.md describes how wrk measures.
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
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.common.http import HOST
from benchmarks.common.report import BenchmarkError

HEAD_START_SECONDS = 0.3
_SCRIPT = Path(__file__).with_name("wrk.lua")
_TIMEOUT_SECONDS = 60
_LINE = re.compile(r"^wrk-json (\{.*\})$", re.MULTILINE)


@dataclass(frozen=True)
class Load:
    """Result of one closed loop; `errors` are answers other than 2xx and failed connections."""

    answered: int
    errors: int
    seconds: float
    p50_ms: float
    p99_ms: float

    @property
    def per_second(self) -> float:
        """Successful answers per second."""
        return self.answered / self.seconds


class NoAnswerError(BenchmarkError):
    """No request was answered during a closed loop."""


def wrk_path() -> str:
    """Return the path of wrk. Raises BenchmarkError if wrk is not installed."""
    path = shutil.which("wrk")
    if path is None:
        raise BenchmarkError("wrk is not installed: run `apt-get install wrk` (https://github.com/wg/wrk)")
    return path


def wrk_version() -> str:
    """Return the version that wrk prints with its usage, such as `4.1.0`."""
    shown = subprocess.run([wrk_path(), "--version"], capture_output=True, text=True, timeout=10, check=False)
    return (shown.stdout + shown.stderr).split()[1].removeprefix("debian/")


def wrk_load(port: int, requests: Sequence[bytes], *, clients: int, seconds: float) -> Load:
    """Load a server with `requests`, sent in turn by all clients together.

    `seconds` is rounded up to whole seconds and includes the head start.

    Raises:
        BenchmarkError: wrk is not installed or failed.
        NoAnswerError: no request was answered.
    """
    whole = math.ceil(seconds)
    command = [wrk_path(), "-t1", f"-c{clients}", f"-d{whole}s", "--timeout", f"{_TIMEOUT_SECONDS}s"]
    with tempfile.NamedTemporaryFile(prefix="wrk-requests-") as file:
        for request in requests:
            file.write(f"{len(request)}\n".encode() + request)
        file.flush()
        variables = {
            "DUET_WRK_REQUESTS": file.name,
            "DUET_WRK_CLIENTS": str(clients),
            "DUET_WRK_HEAD_START": f"{1000 * HEAD_START_SECONDS:.0f}",
        }
        done = subprocess.run(
            [*command, "-s", str(_SCRIPT), f"http://{HOST}:{port}/"],
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            timeout=whole + 2 * _TIMEOUT_SECONDS,
            check=False,
        )
    if done.returncode != 0:
        raise BenchmarkError(f"wrk failed: {(done.stderr or done.stdout).strip()[-500:]}")
    load = parse_wrk(done.stdout)
    if load.answered == 0:
        raise NoAnswerError(f"no request was answered in {whole} s, and {load.errors} failed: use more --seconds")
    return load


def warm_up(port: int, requests: Sequence[bytes], *, clients: int) -> None:
    """Load a server for a second, with or without answers; raises like `wrk_load`."""
    with suppress(NoAnswerError):
        wrk_load(port, requests, clients=clients, seconds=1)


def parse_wrk(output: str) -> Load:
    """Read the JSON line that wrk.lua prints. Raises BenchmarkError if there is no such line."""
    found = _LINE.search(output)
    if found is None:
        raise BenchmarkError(f"wrk printed no figures: {output.strip()[-500:]}")
    counted = json.loads(found.group(1))
    # `requests` includes answers with a bad status, but no other failures.
    return Load(
        answered=counted["requests"] - counted["status"],
        errors=sum(counted[kind] for kind in ("connect", "read", "write", "timeout", "status")),
        seconds=counted["seconds"] - HEAD_START_SECONDS,
        p50_ms=counted["p50_us"] / 1000,
        p99_ms=counted["p99_us"] / 1000,
    )
