"""Server processes under test: start on given cores, CPU time and memory by psutil, stop with all child processes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.common.http import HOST, Answer, BadAnswerError, ask
from benchmarks.common.machine import pinned
from benchmarks.common.report import BenchmarkError
from service.broker.address import embedded_url
from service.jobs.store.heartbeats import Heartbeats, WorkerReport
from service.jobs.store.redis_client import connect

ROOT = Path(__file__).resolve().parents[2]
READY_REQUEST = f"GET /readyz HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()
API_KEY = "the-key-of-the-benchmark"
START_SECONDS = 120.0
STOP_SECONDS = 10.0
_POLL_SECONDS = 0.002
_LOG_TAIL = 2000


@dataclass(frozen=True)
class Server:
    """A running server; `process` and its descendants serve on `port`."""

    name: str
    process: psutil.Popen
    port: int
    log: Path

    @property
    def url(self) -> str:
        """Base URL without a trailing slash."""
        return f"http://{HOST}:{self.port}"

    def processes(self) -> list[psutil.Process]:
        """Return all living processes of the server."""
        return _family(self.process)

    def require_alive(self) -> None:
        """Raise a BenchmarkError with the end of the log if the server has exited."""
        status = self.process.poll()
        if status is not None:
            raise BenchmarkError(f"{self.name} exited with status {status}: {self.log_tail()}")

    def log_tail(self) -> str:
        """Return the end of the server's output."""
        return self.log.read_text(errors="replace", encoding="utf-8")[-_LOG_TAIL:].strip() or "(no output)"

    def wait_for_answer(self, request: bytes) -> Answer:
        """Repeat `request` every few milliseconds and return the first answer that is neither 429 nor 5xx.

        Raises BenchmarkError if the server has exited, or START_SECONDS have passed.
        """
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            with suppress(OSError, BadAnswerError):
                answer = ask(self.port, request)
                if answer.status != 429 and answer.status < 500:
                    return answer
            self.require_alive()
            time.sleep(_POLL_SECONDS)
        raise BenchmarkError(f"{self.name} does not answer {START_SECONDS:.0f} s after its start: {self.log_tail()}")


@contextmanager
def start_server(
    name: str,
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    port: int,
    folder: Path,
    cores: Sequence[int] = (),
) -> Iterator[Server]:
    """Start `python -m COMMAND`, and stop it and its child processes when the context ends.

    `environment` is added to that of this process, without its DUET_ variables; `port` is the one that the command
    listens on; `folder` is for the log and temporary files; `cores` are by default those of this process.
    """
    log = folder / f"{name}-{port}.log"
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("DUET_")}
    with log.open("wb") as stream, pinned(*(cores or os.sched_getaffinity(0))):
        process = psutil.Popen(
            [sys.executable, "-m", *command],
            cwd=ROOT,
            env={**inherited, "TMPDIR": str(folder), "ORT_DISABLE_TELEMETRY": "1", **environment},
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield Server(name, process, port, log)
    finally:
        _stop(process)


@contextmanager
def start_duet(
    home: Path, settings: Mapping[str, str], *, models: Path, cores: Sequence[int] = (), arguments: Sequence[str] = ()
) -> Iterator[Server]:
    """Start `duet serve` with its state in `home`; it may not be ready yet. `settings` are environment variables."""
    port = free_port()
    command = ["duet", "serve", "--host", HOST, "--port", str(port), *arguments]
    keys = {"DUET_HOME": str(home), "DUET_SHIPPED_MODELS": str(models), "DUET_API_KEYS": f"admin:{API_KEY}"}
    environment = {**keys, **settings}
    with start_server("duet", command, environment, port=port, folder=home.parent, cores=cores) as server:
        yield server


def wait_for_worker(server: Server, home: Path, *, can_train: bool = False) -> WorkerReport:
    """Wait until `duet serve` is ready and has a worker, whose training environment is ready if `can_train`.

    Raises BenchmarkError if the server has exited, or START_SECONDS have passed.
    """
    server.wait_for_answer(READY_REQUEST)
    end, reason = time.monotonic() + START_SECONDS, "no worker is alive"
    with connect(embedded_url(home)) as client:
        while time.monotonic() < end:
            server.require_alive()
            for worker in Heartbeats(client).all():
                if worker.training.ready or not can_train:
                    return worker
                reason = worker.training.reason or "its training environment is not ready"
            time.sleep(0.05)
    raise BenchmarkError(f"no usable worker after {START_SECONDS:.0f} s: {reason}. {server.log_tail()}")


def free_port() -> int:
    """Return a port that is free at the moment."""
    with socket.create_server((HOST, 0)) as listener:
        return int(listener.getsockname()[1])


def cpu_seconds(processes: Sequence[psutil.Process]) -> float:
    """Return the user and system CPU time of these processes; those that have exited count zero."""
    total = 0.0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
    return total


def rss_mb(processes: Sequence[psutil.Process]) -> float:
    """Return the resident memory of these processes in MB (10^6 bytes)."""
    total = 0.0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            total += process.memory_info().rss / 1e6
    return total


def pss_mb(processes: Sequence[psutil.Process]) -> float:
    """Return the proportional set size of these processes in MB: shared pages count once in their sum."""
    total = 0.0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            total += process.memory_full_info().pss / 1e6
    return total


def _family(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _stop(process: psutil.Popen) -> None:
    """Send SIGTERM, then kill all processes that are left."""
    family = _family(process)
    try:
        if process.poll() is None:
            process.terminate()
            with suppress(psutil.TimeoutExpired):
                process.wait(STOP_SECONDS)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # also reaches children of a server that has exited already
        for one in family:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        psutil.wait_procs(family, STOP_SECONDS)
