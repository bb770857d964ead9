"""Worker supervisor: several API processes behind one port.

The parent reserves the port and starts the workers; the kernel distributes connections over them. A worker that dies
is restarted. When the parent is asked to stop, it drains all workers.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import shutil
import signal
import socket
import tempfile
import threading
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from types import FrameType

from prometheus_client.multiprocess import mark_process_dead

from service.observability.metrics import MULTIPROCESS_VARIABLE
from service.server.banner import announce
from service.server.server import serve_as_worker
from service.settings import DRAIN_SECONDS, Settings
from service.supervisor.backoff import Backoff

log = logging.getLogger("duet.workers")

_MARGIN_SECONDS = 5.0


@dataclass
class _Worker:
    """Slot for a worker and its current process."""

    number: int
    process: SpawnProcess | None = None
    listening: Connection | None = None
    started: float = 0.0
    due: float = 0.0
    backoff: Backoff = field(default_factory=Backoff)


def supervise(settings: Settings, holder: socket.socket) -> None:
    """Run `settings.workers` workers until SIGTERM or SIGINT, then drain them.

    Args:
        settings: settings of the service.
        holder: bound socket that does not listen; it reserves the port while workers restart.
    """
    folder = tempfile.mkdtemp(prefix="duet-metrics-")
    os.environ[MULTIPROCESS_VARIABLE] = folder  # read by prometheus_client when a worker imports it
    host, port = holder.getsockname()[:2]
    supervisor = _Supervisor(settings.model_copy(update={"port": port}))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, supervisor.stop)
    try:
        supervisor.run(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Supervisor:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._workers = [_Worker(number) for number in range(settings.workers)]
        self._context = multiprocessing.get_context("spawn")
        self._stopping = False

    def stop(self, _number: int, _frame: FrameType | None) -> None:
        """Ask every worker to drain; a second signal does not wait for them."""
        again, self._stopping = self._stopping, True
        for worker in self._workers:
            if worker.process is not None and worker.process.is_alive() and worker.process.pid:
                os.kill(worker.process.pid, signal.SIGKILL if again else signal.SIGTERM)

    def run(self, address: str) -> None:
        """Keep all workers running until stopped, then wait for them."""
        announced = False
        while not self._stopping:
            now = time.monotonic()
            for worker in self._workers:
                if worker.process is None and now >= worker.due:
                    self._start(worker, now)
            announced = announced or self._announce(address)
            self._wait(0.5)
        timeout = self._settings.drain_notice_seconds + DRAIN_SECONDS + _MARGIN_SECONDS
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline and any(worker.process is not None for worker in self._workers):
            self._wait(0.2)
        for worker in self._workers:
            if worker.process is not None:
                log.error("worker %d did not stop in time", worker.number)
                worker.process.kill()
                worker.process.join()

    def _start(self, worker: _Worker, now: float) -> None:
        worker.listening, sender = self._context.Pipe(duplex=False)
        worker.process = self._context.Process(
            target=run_worker, args=(self._settings, sender), name=f"duet-worker-{worker.number}"
        )
        worker.process.start()
        sender.close()
        worker.started = now
        if self._stopping and worker.process.pid:
            os.kill(worker.process.pid, signal.SIGTERM)  # the signal arrived before the process existed

    def _announce(self, address: str) -> bool:
        """Print the address once, when the first worker listens."""
        for worker in self._workers:
            if worker.listening is not None and _is_listening(worker.listening):
                announce(address, self._settings)
                return True
        return False

    def _wait(self, seconds: float) -> None:
        """Wait until a worker ends or the time is over, and free the slots of workers that ended."""
        alive = [worker for worker in self._workers if worker.process is not None]
        wait([worker.process.sentinel for worker in alive if worker.process is not None], seconds)
        for worker in alive:
            process = worker.process
            if process is None or process.is_alive():
                continue
            process.join()
            if process.pid:
                mark_process_dead(process.pid)
            worker.process = None
            if not self._stopping:
                self._restart_later(worker, process)

    def _restart_later(self, worker: _Worker, process: SpawnProcess) -> None:
        now = time.monotonic()
        pause = worker.backoff.pause(now - worker.started)
        worker.due = now + pause
        log.error("worker %d ended with %s; restarting it in %.1f s", worker.number, process.exitcode, pause)


def _is_listening(receiver: Connection) -> bool:
    """Return whether the worker at the other end has reported that it listens."""
    try:
        return receiver.poll() and bool(receiver.recv())
    except EOFError:
        return False


def run_worker(settings: Settings, sender: Connection) -> None:
    """Main function of a worker process: serve on the shared port until asked to stop or until the parent dies."""
    threading.Thread(target=_follow_parent, daemon=True, name="parent").start()
    serve_as_worker(settings, on_listening=lambda _address: sender.send(os.getpid()))


def _follow_parent() -> None:
    """Drain when the parent dies, so that no worker outlives it."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
