"""Worker supervisor: several API processes behind one port.

The parent reserves the port and starts the workers; the kernel distributes connections over them. A worker that dies
is restarted. When the parent is asked to stop, it drains all workers.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from tempfile import TemporaryDirectory
from types import FrameType

from prometheus_client.multiprocess import mark_process_dead

from service.engine.memory import limit_free_memory
from service.observability.logging import configure_logging
from service.observability.metrics import MULTIPROCESS_VARIABLE
from service.server.exit_watchdog import ExitWatchdog
from service.server.server import bind_socket, serve_on
from service.settings import DRAIN_SECONDS, Settings
from service.supervisor.supervised_process import Backoff

log = logging.getLogger("duet.workers")

_MARGIN_SECONDS = 5.0


@dataclass
class _Worker:
    """Slot for a worker and its current process, if any."""

    number: int
    process: SpawnProcess | None = None
    started: float = 0.0
    due: float = 0.0
    backoff: Backoff = field(default_factory=Backoff)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process, if it runs."""
        if self.process is not None and self.process.is_alive() and self.process.pid:
            os.kill(self.process.pid, number)


def supervise(settings: Settings, holder: socket.socket, on_listening: Callable[[str], None]) -> None:
    """Run `settings.workers` workers until SIGTERM or SIGINT, then drain them.

    Args:
        settings: settings of the service.
        holder: bound socket that does not listen; it reserves the port while workers restart.
        on_listening: called with the URL when the first worker accepts requests.
    """
    host, port = holder.getsockname()[:2]
    supervisor = _Supervisor(settings.model_copy(update={"port": port}))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, supervisor.stop)
    with TemporaryDirectory(prefix="duet-metrics-", ignore_cleanup_errors=True) as folder:
        os.environ[MULTIPROCESS_VARIABLE] = folder  # read by prometheus_client when a worker imports it
        supervisor.run(lambda: on_listening(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"))


class _Supervisor:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._workers = [_Worker(number) for number in range(settings.workers)]
        self._context = multiprocessing.get_context("spawn")
        self._listening, self._sender = self._context.Pipe(duplex=False)
        self._stopping = False

    def stop(self, _number: int, _frame: FrameType | None) -> None:
        """Ask every worker to drain; a second signal kills them."""
        again, self._stopping = self._stopping, True
        for worker in self._workers:
            worker.signal(signal.SIGKILL if again else signal.SIGTERM)

    def run(self, announce: Callable[[], None]) -> None:
        """Keep all workers running until stopped, then wait for them."""
        is_announced = False
        while not self._stopping:
            for worker in self._workers:
                if worker.process is None and time.monotonic() >= worker.due:
                    self._start(worker)
            if self._listening.poll():
                self._listening.recv()
                if not is_announced:
                    announce()
                is_announced = True
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

    def _start(self, worker: _Worker) -> None:
        worker.process = self._context.Process(
            target=run_worker, args=(self._settings, self._sender), name=f"duet-worker-{worker.number}"
        )
        worker.process.start()
        worker.started = time.monotonic()
        if self._stopping:
            worker.signal(signal.SIGTERM)  # the signal arrived before the process existed

    def _wait(self, seconds: float) -> None:
        """Wait until a worker listens or ends, or the time is over, and free the slots of workers that ended."""
        wait([self._listening, *(worker.process.sentinel for worker in self._workers if worker.process)], seconds)
        for worker in self._workers:
            process = worker.process
            if process is None or process.is_alive():
                continue
            process.join()
            if process.pid:
                mark_process_dead(process.pid)
            worker.process = None
            if not self._stopping:
                pause = worker.backoff.pause(time.monotonic() - worker.started)
                worker.due = time.monotonic() + pause
                log.error("worker %d ended with %s; restarting it in %.1f s", worker.number, process.exitcode, pause)


def run_worker(settings: Settings, sender: Connection) -> None:
    """Main function of a worker process: serve on the shared port until asked to stop or until the parent dies."""
    limit_free_memory()
    threading.Thread(target=_follow_parent, daemon=True, name="parent").start()
    configure_logging(settings.log_level, settings.log_format)
    with bind_socket(settings, shared=True) as bound:
        serve_on(bound, settings, on_listening=sender.send)
    ExitWatchdog().start()


def _follow_parent() -> None:
    """Drain when the parent dies, so that no worker outlives it."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
