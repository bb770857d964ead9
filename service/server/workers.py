"""Several API processes on one machine behind one port.

The parent holds the port and starts the workers; the kernel deals connections out to them. A worker that dies is
started again, and a parent that is asked to stop lets every worker drain.
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
from service.settings import Settings
from service.supervisor.backoff import Backoff

log = logging.getLogger("duet.workers")

_MARGIN_SECONDS = 5.0


@dataclass
class _Worker:
    """One place for a worker, and the process that fills it now."""

    number: int
    process: SpawnProcess | None = None
    announced: Connection | None = None
    started: float = 0.0
    due: float = 0.0
    backoff: Backoff = field(default_factory=Backoff)


def supervise(settings: Settings, holder: socket.socket) -> None:
    """Run `settings.workers` workers until SIGTERM or SIGINT, then let them finish what they accepted.

    Args:
        settings: of the whole service.
        holder: bound, and not listening; it keeps the port while workers come and go.
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
        """Keep all places filled until stopped, then wait for the last worker."""
        announced = False
        while not self._stopping:
            now = time.monotonic()
            for worker in self._workers:
                if worker.process is None and now >= worker.due:
                    self._start(worker, now)
            announced = announced or self._announce(address)
            self._wait(0.5)
        patience = self._settings.drain_notice_seconds + self._settings.drain_seconds + _MARGIN_SECONDS
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline and any(worker.process is not None for worker in self._workers):
            self._wait(0.2)
        for worker in self._workers:
            if worker.process is not None:
                log.error("worker %d did not stop in time", worker.number)
                worker.process.kill()
                worker.process.join()

    def _start(self, worker: _Worker, now: float) -> None:
        worker.announced, announces = self._context.Pipe(duplex=False)
        worker.process = self._context.Process(
            target=run_worker, args=(self._settings, announces), name=f"duet-worker-{worker.number}"
        )
        worker.process.start()
        announces.close()
        worker.started = now
        if self._stopping and worker.process.pid:
            os.kill(worker.process.pid, signal.SIGTERM)  # the signal came before there was a process to pass it on to

    def _announce(self, address: str) -> bool:
        """Say where, once, when the first worker listens."""
        for worker in self._workers:
            if worker.announced is not None and _said_so(worker.announced):
                announce(address, self._settings)
                return True
        return False

    def _wait(self, seconds: float) -> None:
        """Until a worker ends or the time is over; empties the places of those that ended."""
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
        log.error("worker %d ended with %s; starting it again in %.1f s", worker.number, process.exitcode, pause)


def _said_so(announced: Connection) -> bool:
    """Whether the worker at the other end has said that it listens; one that died says nothing."""
    try:
        return announced.poll() and bool(announced.recv())
    except EOFError:
        return False


def run_worker(settings: Settings, announces: Connection) -> None:
    """The whole of a worker process: serve on the shared port until asked to stop, or until the parent is gone."""
    threading.Thread(target=_follow_parent, daemon=True, name="parent").start()
    serve_as_worker(settings, on_listening=lambda _address: announces.send(os.getpid()))


def _follow_parent() -> None:
    """Drain when the parent dies without a word, so that no worker outlives it."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
