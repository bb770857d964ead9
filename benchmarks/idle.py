"""What `duet serve` costs while nobody asks it anything: memory of all its processes, and the time to its first answer.

    python -m benchmarks.idle [--rounds 5] [--json FILE]

Memory is the proportional set size (PSS in proc(5)): a page that several processes share counts once over all of them,
so that the sum is what the machine is short of. It is read when the models are warm, the broker answers and the worker
has said that it is alive, and everything has been idle for some seconds. The time to the first answer is from the start
of the process to the end of the first 200 of /predict, with what runs beside the API and without, in turn.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx
import psutil

from service.broker import embedded_url
from service.jobs.store.heartbeats import Heartbeats
from service.jobs.store.redis_client import connect
from service.observability.logging import configure_logging

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "images" / "cat.jpg"
GOAL_MB = 500
MB = 1e6
_SETTLE_SECONDS = 5.0
_GIVE_UP_SECONDS = 120.0


@dataclass(frozen=True)
class ProcessMemory:
    """One process: what it is, and its share of the memory."""

    what: str
    pss_mb: float


@dataclass(frozen=True)
class Running:
    """A service that has answered its first picture."""

    process: subprocess.Popen[str]
    home: Path
    first_answer_seconds: float


@contextmanager
def serving(**environment: str) -> Iterator[Running]:
    """`duet serve` with the shipped models and a home of its own, from its first answer on; stopped afterwards."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("DUET_")}
    with tempfile.TemporaryDirectory(prefix="duet-idle-") as folder, (Path(folder) / "log").open("w") as log:
        home = Path(folder) / "home"
        started = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "duet", "serve", "--port", "0"],
            cwd=ROOT,
            env={**inherited, "DUET_HOME": str(home), **environment},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split()[-1]
            _ask_until_answered(url)
            yield Running(process, home, time.monotonic() - started)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def _ask_until_answered(url: str) -> None:
    with httpx.Client(base_url=url, timeout=30, transport=httpx.HTTPTransport(retries=5)) as client:
        picture = PICTURE.read_bytes()
        while client.post("/predict", content=picture, headers={"Content-Type": "image/jpeg"}).status_code != 200:
            time.sleep(0.002)


def measure_memory() -> list[ProcessMemory]:
    """Each process of an idle service."""
    with serving() as running:
        _wait_for_worker(running.home)
        time.sleep(_SETTLE_SECONDS)
        api = psutil.Process(running.process.pid)
        return [
            ProcessMemory(_what(process, api), _pss_mb(process)) for process in [api, *api.children(recursive=True)]
        ]


def _wait_for_worker(home: Path) -> None:
    give_up = time.monotonic() + _GIVE_UP_SECONDS
    with connect(embedded_url(home)) as client:
        while not Heartbeats(client).all():
            if time.monotonic() > give_up:
                raise SystemExit("the worker has not been heard of")
            time.sleep(0.1)


def _what(process: psutil.Process, api: psutil.Process) -> str:
    if process == api:
        return "API"
    line = " ".join(process.cmdline())
    return "broker" if "valkey-server" in line or "redis-server" in line else "worker" if "worker" in line else line


def _pss_mb(process: psutil.Process) -> float:
    return float(process.memory_full_info().pss) / MB


def measure_starts(rounds: int) -> dict[str, list[float]]:
    """Seconds to the first answer, of `rounds` starts of each kind."""
    kinds = {"with broker and worker": {}, "the API alone": {"DUET_EMBEDDED_BROKER": "0"}}
    seconds: dict[str, list[float]] = {kind: [] for kind in kinds}
    for _ in range(rounds):
        for kind, environment in kinds.items():
            with serving(**environment) as running:
                seconds[kind].append(running.first_answer_seconds)
    return seconds


def main() -> None:
    """Measure, print two tables, and fail where the memory is more than the goal."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.idle", description="What an idle duet serve costs.")
    parser.add_argument("--rounds", type=int, default=5, help="starts of each kind")
    parser.add_argument("--json", type=Path, help="file for every sample")
    options = parser.parse_args()
    configure_logging("error", "text")
    memory = measure_memory()
    starts = measure_starts(options.rounds)
    total = sum(each.pss_mb for each in memory)
    print("| process | MB (PSS) |\n|---|---|")
    for each in memory:
        print(f"| {each.what} | {each.pss_mb:.0f} |")
    print(f"| all | {total:.0f} (goal: {GOAL_MB}) |\n\n| seconds to the first answer | median | lowest | highest |")
    print("|---|---|---|---|")
    for kind, seconds in starts.items():
        print(f"| {kind} | {statistics.median(seconds):.2f} | {min(seconds):.2f} | {max(seconds):.2f} |")
    if options.json is not None:
        options.json.write_text(json.dumps({"memory": [asdict(each) for each in memory], "starts": starts}, indent=1))
    if total > GOAL_MB:
        raise SystemExit(f"{total:.0f} MB are more than {GOAL_MB} MB")


if __name__ == "__main__":
    main()
