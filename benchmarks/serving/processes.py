"""Processes of servers: started on their core in a session of their own, watched through /proc, always stopped."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.serving.errors import BenchmarkError
from benchmarks.serving.machine import pinned
from benchmarks.serving.messages import HOST
from benchmarks.serving.results import Memory

ROOT = Path(__file__).resolve().parents[2]
STOP_SECONDS = 10.0

_TICK = 1.0 / os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_LOG_TAIL = 2000


@dataclass(frozen=True)
class ServerProcess:
    """A server that was started: the process and all that it starts are in the session of `process.pid`."""

    name: str
    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def pids(self) -> list[int]:
        """Every living process of the server."""
        return session_pids(self.process.pid)

    def require_alive(self) -> None:
        """Raise a BenchmarkError with the end of its log if it has ended."""
        status = self.process.poll()
        if status is not None:
            raise BenchmarkError(f"{self.name} ended with status {status}: {self.log_tail()}")

    def log_tail(self) -> str:
        """The end of what it wrote."""
        return self.log.read_text(errors="replace")[-_LOG_TAIL:].strip() or "it wrote nothing"


@contextmanager
def server_process(
    name: str, command: Sequence[str], *, port: int, cores: set[int], environment: Mapping[str, str], folder: Path
) -> Iterator[ServerProcess]:
    """Start a server on `cores` and stop it, with everything it started, when the context ends.

    Args:
        name: for messages and for the name of its log file.
        command: argument vector, run in the project's folder.
        port: that the command makes it listen on.
        cores: which its threads and children may use.
        environment: added to this process's own, from which every DUET_ variable is taken out.
        folder: for its log.
    """
    log = folder / f"{name.replace(' ', '-')}-{port}.log"
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("DUET_")}
    with log.open("wb") as stream, pinned(cores):
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**inherited, **environment},
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield ServerProcess(name, process, port, log)
    finally:
        _stop(process)


def free_port() -> int:
    """A port that nothing listened on a moment ago."""
    with socket.create_server((HOST, 0)) as listener:
        return int(listener.getsockname()[1])


def session_pids(session: int) -> list[int]:
    """The living processes of a session."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        fields = _stat(int(entry.name))
        if fields is not None and int(fields[3]) == session and fields[0] != "Z":
            found.append(int(entry.name))
    return found


def cpu_seconds(pids: Sequence[int]) -> float:
    """CPU time that these processes have used, all their threads included; a process that has gone counts nothing."""
    return sum(_TICK * (int(fields[11]) + int(fields[12])) for pid in pids if (fields := _stat(pid)) is not None)


def own_cpu_seconds() -> float:
    """CPU time of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def resident_mb(pids: Sequence[int]) -> float:
    """Resident megabytes of these processes by /proc/PID/statm, which costs them nothing to read."""
    pages = 0
    for pid in pids:
        with suppress(OSError):
            pages += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * _PAGE / 1e6


def memory(pids: Sequence[int]) -> Memory:
    """Resident and proportional memory of these processes by /proc/PID/smaps_rollup."""
    totals = {"Rss:": 0, "Pss:": 0}
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            name, *values = line.split()
            if name in totals:
                totals[name] += int(values[0]) * 1024
    return Memory(rss_mb=totals["Rss:"] / 1e6, pss_mb=totals["Pss:"] / 1e6)


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the state on, or None where the process has gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ask the server to stop, then kill whatever is left of its session."""
    try:
        if process.poll() is None:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS)
    finally:
        end = time.monotonic() + STOP_SECONDS
        while (left := session_pids(process.pid)) and time.monotonic() < end:
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.05)
        process.wait(STOP_SECONDS)
