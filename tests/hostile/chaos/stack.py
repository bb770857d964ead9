"""Processes of the chaos test: broker, two workers and the API, each restarted after it ends, and a small disk."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Self

from redis.exceptions import RedisError

from tests.support.broker import Broker
from tests.support.job_workers import Worker
from tests.support.onnx_models import write_onnx_version
from tests.support.service import ServiceProcess, service_process, set_champions

API_KEY = "the-key-of-the-chaos-test"
WORKERS, API_PROCESSES = 2, 2
DISK_MB = 256
_LIBRARIES = ("/usr/lib/*/faketime/libfaketime.so.1", "/usr/local/lib/faketime/libfaketime.so.1")
_RESTART_SECONDS = 60.0


class Clock:
    """Clock of the broker, which libfaketime shifts by the seconds in a file."""

    def __init__(self, folder: Path, library: Path) -> None:
        self._file = folder / "clock"
        self.offset = 0
        self.step(0)
        self.environment = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def step(self, seconds: int) -> None:
        """Move the clock forward, or back if `seconds` is negative."""
        self.offset += seconds
        staged = self._file.with_suffix(".new")
        staged.write_text(f"{self.offset:+d}\n", encoding="ascii")
        staged.replace(self._file)


def faketime_library() -> Path | None:
    """Library that shifts the clock of a process; None if it is not installed."""
    found = [path for pattern in _LIBRARIES for path in Path("/").glob(pattern[1:])]
    return found[0] if found else None


@contextmanager
def small_disk() -> Iterator[tuple[Path, bool]]:
    """A folder with a short path on a tmpfs of DISK_MB, and True; False if a tmpfs cannot be mounted."""
    with tempfile.TemporaryDirectory(prefix="duet-c-", dir="/tmp") as name:
        command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", name]
        try:
            mounted = subprocess.run(command, check=False, capture_output=True).returncode == 0
        except FileNotFoundError:
            mounted = False
        try:
            yield Path(name), mounted
        finally:
            if mounted:
                subprocess.run(["umount", "-l", name], check=True)


class Stack:
    """A broker, WORKERS workers and an API of API_PROCESSES processes, over one home.

    Args:
        disk: folder of the home and of the broker's files.
        logs: folder on another disk.
        python: interpreter of the jobs, whose CIFAR-10 is in `data`.
    """

    def __init__(self, disk: Path, logs: Path, python: Path, data: Path) -> None:
        self.home = disk / "home"
        self._filler = disk / "filler"
        self._logs, self._python, self._data = logs, python, data
        (disk / "broker").mkdir()
        self.home.mkdir()
        write_onnx_version(self.home / "models" / "cnn" / "1", "cnn", 1)
        set_champions(self.home / "models", cnn=1)
        library = faketime_library()
        self.clock = None if library is None else Clock(logs, library)
        self.broker = Broker(disk / "broker", environment=self.clock.environment if self.clock else None)
        self.workers: list[Worker] = []
        self._service = ExitStack()
        self._port = 0

    def __enter__(self) -> Self:
        """Start everything."""
        self.broker.start()
        self.workers += [self._worker() for _ in range(WORKERS)]
        self.start_service()
        return self

    def __exit__(self, *_: object) -> None:
        self._service.close()
        for worker in self.workers:
            worker.kill()
        self.broker.stop()

    @property
    def url(self) -> str:
        """Address of the API."""
        return f"http://127.0.0.1:{self._port}"

    def start_service(self) -> None:
        """Start the API, at the same address each time, and wait until it is ready."""
        environment = {
            "DUET_REDIS_URL": self.broker.url,
            "DUET_API_KEYS": f"admin:{API_KEY}",
            "DUET_DATA_DIR": str(self._data),
            "DUET_WORKERS": str(API_PROCESSES),
            "DUET_THREADS": "1",
            "DUET_LOG_LEVEL": "error",
        }
        self.service: ServiceProcess = self._service.enter_context(
            service_process(self.home, self._port, **environment)
        )
        self._port = self.service.address[1]

    def kill_service(self) -> None:
        """Kill the parent of the API processes, which then stop, and start the API again."""
        self.service.process.kill()
        self._service.close()
        deadline = time.monotonic() + _RESTART_SECONDS
        while self.service.listeners:
            assert time.monotonic() < deadline, "an API process outlived its parent"
            time.sleep(0.05)
        self.start_service()

    def restart_ended(self) -> int:
        """Start the broker and the workers that ended; returns the number of ended brokers."""
        for position, worker in enumerate(self.workers):
            if worker.process.poll() is not None:
                self.workers[position] = self._worker()
        if self.broker.is_running:
            return 0
        with suppress(AssertionError, RedisError):  # it ends again while the disk is full
            self.broker.start()
        return 1

    def fill_disk(self) -> None:
        """Write a file until no space is left."""
        with suppress(OSError), self._filler.open("ab", buffering=0) as file:
            while True:
                file.write(bytes(65_536))

    def free_disk(self) -> None:
        """Delete that file."""
        self._filler.unlink(missing_ok=True)

    def _worker(self) -> Worker:
        log = self._logs / "worker.log"
        return Worker(self.broker, self.home, self._python, log, data_dir=self._data)
